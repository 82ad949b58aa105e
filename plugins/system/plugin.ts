/** The system area: how clients find out whom they are talking to. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { route } from "../../core/kernel/route.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { DaemonToken, JobToken, PluginDirectoryToken } from "../../core/kernel/tokens.ts";
import { ContainerCountsToken, ImageCountsToken } from "./backend.ts";
import { RegistryLoginsToken } from "../images/backend.ts";
import { Auth } from "./auth.ts";
import { InfoFacts } from "./info.ts";
import { Ping } from "./ping.ts";
import { VersionFacts } from "./version.ts";

const PingToken: Token<Ping> = token("system.ping");
const VersionToken: Token<VersionFacts> = token("system.version");
const AuthToken: Token<Auth> = token("system.auth");
const InfoToken: Token<InfoFacts> = token("system.info");

export default definePlugin({
  id: "system",
  contract: contractVersion,
  summary: "Answers ping, version, info and login checks",
  requires: [DaemonToken, JobToken, PluginDirectoryToken],
  wants: [ContainerCountsToken, ImageCountsToken, RegistryLoginsToken],
  routes: [
    route("GET", "/_ping", PingToken, "get"),
    route("HEAD", "/_ping", PingToken, "head"),
    route("GET", "/version", VersionToken, "show"),
    route("POST", "/auth", AuthToken, "check"),
    route("GET", "/info", InfoToken, "show"),
  ],
  job(scope) {
    scope.bind(PingToken, Ping);
    scope.bind(VersionToken, VersionFacts);
    scope.bind(AuthToken, Auth);
    scope.bind(InfoToken, InfoFacts);
  },
});
