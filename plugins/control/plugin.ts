/** Opening and closing jobs, looking after the image cache: the control API on its own socket, for the command line and the runner's job hooks. */
import { JobsToken } from "../../core/jobs/jobs.ts";
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { DaemonToken, PluginDirectoryToken } from "../../core/kernel/tokens.ts";
import { CacheAdminToken } from "./backend.ts";
import { ControlServer } from "./server.ts";

/** Bound so that the server lives as long as the daemon; nobody takes it. */
const ControlServerToken: Token<ControlServer> = token("control.server");

export default definePlugin({
  id: "control",
  contract: contractVersion,
  summary: "Opens and closes jobs, looks after the image cache: the control API on <data dir>/control.sock",
  requires: [JobsToken, PluginDirectoryToken, DaemonToken],
  wants: [CacheAdminToken],
  daemon(scope) {
    scope.bind(ControlServerToken, ControlServer);
  },
});
