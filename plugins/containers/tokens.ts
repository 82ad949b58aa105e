/** The objects of this area, one of each a job. Nobody else takes them. */
import { token } from "../../core/kernel/scope.ts";
import type { Attach } from "./attach.ts";
import type { Create } from "./create.ts";
import type { Inspect } from "./inspect.ts";
import type { LifecycleRequests } from "./lifecycle.ts";
import type { List } from "./list.ts";
import type { Logs } from "./logs.ts";
import type { Containers } from "./model/containers.ts";
import type { Lifecycle } from "./model/lifecycle.ts";
import type { Remove } from "./remove.ts";
import type { Resize } from "./resize.ts";
import type { Wait } from "./wait.ts";

export const ContainersToken = token<Containers>("containers.all");
export const LifecycleToken = token<Lifecycle>("containers.lifecycle");
export const CreateToken = token<Create>("containers.create");
export const ListToken = token<List>("containers.list");
export const InspectToken = token<Inspect>("containers.inspect");
export const LifecycleRequestsToken = token<LifecycleRequests>("containers.lifecycle-requests");
export const WaitToken = token<Wait>("containers.wait");
export const RemoveToken = token<Remove>("containers.remove");
export const LogsToken = token<Logs>("containers.logs");
export const AttachToken = token<Attach>("containers.attach");
export const ResizeToken = token<Resize>("containers.resize");
