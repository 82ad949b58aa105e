import { JobToken } from "../../core/kernel/job.ts";
import { contractVersion, definePlugin, type PluginContext } from "../../core/kernel/plugin.ts";
import type { Binder, Scope } from "../../core/kernel/scope.ts";
import { run } from "../../core/support/spawn.ts";
import { ContainerEngineToken } from "../containers/backend.ts";
import { ImageCacheToken, ImageStoreToken } from "../images/backend.ts";
import { JobNetworkToken } from "./backend.ts";
import { ContainerdConnection } from "./connection.ts";
import { bindDaemon, bindJob } from "./containers/bindings.ts";
import { TaskHostToken } from "./containers/task-host.ts";
import { checkAnswers, reasonToSkip } from "./host-checks.ts";
import { bindImageStore, bindSharedImages } from "./images/bindings.ts";
import { JobLease } from "./lease.ts";
import { type Settings, settingsSchema } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";
import { privatePaths } from "./supervisor-config.ts";
import {
  ConnectionToken,
  EndpointToken,
  JobLeaseToken,
  SettingsToken,
  SupervisorOptionsToken,
  SupervisorToken,
} from "./tokens.ts";

/** Runs containers and keeps images with containerd: a private one under the data directory, or one that runs. */
export default definePlugin<Settings>({
  id: "containerd",
  contract: contractVersion,
  summary: "runs containers and keeps images with containerd and runc",
  provides: [ImageStoreToken, ImageCacheToken, ContainerEngineToken],
  wants: [JobNetworkToken],
  settings: settingsSchema,
  async start({ settings }) {
    const skip = reasonToSkip(settings);
    if (skip !== undefined) return { skip };
    if (settings.address !== undefined) await checkAnswers(settings.address);
  },
  daemon(scope, context) {
    bindConnection(scope, context);
    bindSharedImages(scope);
    bindDaemon(scope, context);
  },
  job(scope, context, job) {
    scope.bind(JobLeaseToken, { class: JobLease, inject: [ConnectionToken, JobToken] });
    bindImageStore(scope);
    bindJob(scope, context, job);
  },
  describe: describeEngine,
});

/** The connection first: it closes last. The supervisor next: what is bound later opens when containerd answers. */
function bindConnection(scope: Binder, { settings, daemon, log }: PluginContext<Settings>): void {
  const dir = `${daemon.dataDir}/containerd`;
  const { address, ingest: ingestDir } = privatePaths(dir);
  const endpoint = settings.address === undefined
    ? { address, namespace: "berth", ingestDir }
    : { address: settings.address, namespace: `berth-${daemon.id}` };
  scope.bind(SettingsToken, { value: settings });
  scope.bind(EndpointToken, { value: endpoint });
  scope.bind(ConnectionToken, { class: ContainerdConnection, inject: [EndpointToken] });
  if (settings.address !== undefined) return;
  scope.bind(SupervisorOptionsToken, { value: { dir, settings, log } });
  scope.bind(SupervisorToken, { class: Supervisor, inject: [SupervisorOptionsToken, ConnectionToken] });
}

async function describeEngine(scope: Scope) {
  const { version, revision } = await scope.get(ConnectionToken).version.version({});
  const runc = await run(scope.get(SettingsToken).runc, ["--version"]);
  const runcVersion = /runc version (\S+)/.exec(runc.stdout)?.[1] ?? "unknown";
  const { warning } = scope.get(TaskHostToken).seccomp;
  return {
    version: version.replace(/^v/, ""),
    details: { GitCommit: revision, runc: runcVersion },
    warnings: warning === undefined ? [] : [warning],
  };
}
