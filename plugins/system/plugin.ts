/** The system area: how clients find out whom they are talking to. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { route } from "../../core/kernel/route.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { DaemonToken, JobToken, PluginDirectoryToken } from "../../core/kernel/tokens.ts";
import { ContainerCountsToken, ImageCountsToken } from "./backend.ts";
import { Info } from "./info.ts";
import { Ping } from "./ping.ts";
import { Version } from "./version.ts";

const PingToken: Token<Ping> = token("system.ping");
const VersionToken: Token<Version> = token("system.version");
const InfoToken: Token<Info> = token("system.info");

export default definePlugin({
  id: "system",
  contract: contractVersion,
  summary: "Answers ping, version and info",
  requires: [DaemonToken, JobToken, PluginDirectoryToken],
  wants: [ContainerCountsToken, ImageCountsToken],
  routes: [
    route("GET", "/_ping", PingToken, "get"),
    route("HEAD", "/_ping", PingToken, "head"),
    route("GET", "/version", VersionToken, "show"),
    route("GET", "/info", InfoToken, "show"),
  ],
  job(scope) {
    scope.bind(PingToken, Ping);
    scope.bind(VersionToken, Version);
    scope.bind(InfoToken, Info);
  },
});
