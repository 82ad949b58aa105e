import { type Job, JobToken } from "../../../core/kernel/job.ts";
import type { PluginContext } from "../../../core/kernel/plugin.ts";
import { type Binder, optional } from "../../../core/kernel/scope.ts";
import { ContainerEngineToken } from "../../containers/backend.ts";
import { type JobNetwork, JobNetworkToken } from "../backend.ts";
import type { ContainerdConnection } from "../connection.ts";
import type { Settings } from "../settings.ts";
import { ConnectionToken } from "../tokens.ts";
import { ContainerdEngine } from "./engine.ts";
import { TaskHost, TaskHostToken } from "./task-host.ts";

/** Binds what the containers of all jobs share. To be called after the connection and its supervisor are bound. */
export function bindDaemon(scope: Binder, { settings, daemon, log }: PluginContext<Settings>): void {
  scope.bind(TaskHostToken, {
    make: (connection: ContainerdConnection) => new TaskHost(connection, settings, daemon, log),
    inject: [ConnectionToken],
  });
}

/** Binds one job's container engine. */
export function bindJob(scope: Binder, _context: PluginContext<Settings>, _job: Job): void {
  scope.bind(ContainerEngineToken, {
    make: (host: TaskHost, job: Job, network: JobNetwork | undefined) =>
      new ContainerdEngine(host, job, network),
    inject: [TaskHostToken, JobToken, optional(JobNetworkToken)],
  });
}
