/** The push area: the job's images to registries. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { route } from "../../core/kernel/route.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { JobToken } from "../../core/kernel/tokens.ts";
import { ImagesToPushToken, PushRegistriesToken } from "./backend.ts";
import { PushRequests } from "./push.ts";
import { PushedBlobs, PushedBlobsToken } from "./pushed-blobs.ts";
import { Settings, SettingsToken } from "./settings.ts";

const RequestsToken: Token<PushRequests> = token("push.requests");

export default definePlugin<Settings>({
  id: "push",
  contract: contractVersion,
  summary: "Pushes the job's images to registries",
  requires: [ImagesToPushToken, PushRegistriesToken, JobToken],
  settings: Settings,
  routes: [route("POST", "/images/{name...}/push", RequestsToken, "push", { kind: "stream" })],
  job(scope, { settings }) {
    scope.bind(SettingsToken, { value: settings });
    scope.bind(PushedBlobsToken, PushedBlobs);
    scope.bind(RequestsToken, PushRequests);
  },
});
