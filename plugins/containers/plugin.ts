import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { route } from "../../core/kernel/route.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { ContainerCountsToken } from "../system/backend.ts";
import { Attach } from "./attach.ts";
import { ContainerEngineToken, ImageLookupToken } from "./backend.ts";
import { Counts } from "./counts.ts";
import { Create } from "./create.ts";
import { Inspect } from "./inspect.ts";
import { LifecycleRequests } from "./lifecycle.ts";
import { List } from "./list.ts";
import { Logs } from "./logs.ts";
import { Containers, ContainersToken } from "./model/containers.ts";
import { Lifecycle, LifecycleToken } from "./model/lifecycle.ts";
import { Remove } from "./remove.ts";
import { Resize } from "./resize.ts";
import { Wait } from "./wait.ts";

const CreateToken: Token<Create> = token("containers.create");
const ListToken: Token<List> = token("containers.list");
const InspectToken: Token<Inspect> = token("containers.inspect");
const LifecycleRequestsToken: Token<LifecycleRequests> = token("containers.lifecycle-requests");
const WaitToken: Token<Wait> = token("containers.wait");
const RemoveToken: Token<Remove> = token("containers.remove");
const LogsToken: Token<Logs> = token("containers.logs");
const AttachToken: Token<Attach> = token("containers.attach");
const ResizeToken: Token<Resize> = token("containers.resize");

/** `/containers/…`: create to remove, list, inspect, logs, attach. */
export default definePlugin({
  id: "containers",
  contract: contractVersion,
  summary: "containers: create, start, stop, kill, wait, remove, list, inspect, logs, attach",
  provides: [ContainerCountsToken],
  requires: [ContainerEngineToken, ImageLookupToken],
  routes: [
    route("POST", "/containers/create", CreateToken, "create"),
    route("GET", "/containers/json", ListToken, "list"),
    route("GET", "/containers/{id}/json", InspectToken, "inspect"),
    route("POST", "/containers/{id}/start", LifecycleRequestsToken, "start"),
    route("POST", "/containers/{id}/stop", LifecycleRequestsToken, "stop"),
    route("POST", "/containers/{id}/restart", LifecycleRequestsToken, "restart"),
    route("POST", "/containers/{id}/kill", LifecycleRequestsToken, "kill"),
    route("POST", "/containers/{id}/wait", WaitToken, "wait", { kind: "stream" }),
    route("DELETE", "/containers/{id}", RemoveToken, "remove"),
    route("GET", "/containers/{id}/logs", LogsToken, "logs", { kind: "stream" }),
    route("POST", "/containers/{id}/attach", AttachToken, "attach", { kind: "hijack" }),
    route("POST", "/containers/{id}/resize", ResizeToken, "resize"),
  ],
  job(scope) {
    scope.bind(ContainersToken, Containers);
    scope.bind(ContainerCountsToken, Counts);
    scope.bind(LifecycleToken, Lifecycle);
    scope.bind(CreateToken, Create);
    scope.bind(ListToken, List);
    scope.bind(InspectToken, Inspect);
    scope.bind(LifecycleRequestsToken, LifecycleRequests);
    scope.bind(WaitToken, Wait);
    scope.bind(RemoveToken, Remove);
    scope.bind(LogsToken, Logs);
    scope.bind(AttachToken, Attach);
    scope.bind(ResizeToken, Resize);
  },
});
