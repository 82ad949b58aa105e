import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type CloseJobRequest,
  type ControlService,
  type HoldJobRequest,
  type OpenJobRequest,
  type ShowJobRequest,
} from "../../core/control/gen/berth/control/v1/control_pb.ts";
import { jobMessage, jobRequestOf } from "../../core/control/messages.ts";
import type { Jobs } from "../../core/jobs/jobs.ts";
import type { DaemonFacts, PluginStatus } from "../../core/kernel/plugin.ts";
import type { PluginDirectory } from "../../core/kernel/tokens.ts";
import { invalid } from "../../core/support/errors.ts";
import type { CacheAdmin } from "./backend.ts";
import { cacheOperations } from "./cache-operations.ts";
import type { Holds } from "./holds.ts";

/**
 * The control API's operations, thin over the kernel's own. They throw ApiErrors; the server translates them.
 *
 * @param holds jobs that live as long as a caller's connection
 * @param cache undefined when no plugin that keeps one runs
 */
export function controlOperations(
  jobs: Jobs,
  plugins: PluginDirectory,
  daemon: DaemonFacts,
  holds: Holds,
  cache: CacheAdmin | undefined,
): ServiceImpl<typeof ControlService> {
  return {
    async openJob(request: OpenJobRequest) {
      return { job: jobMessage(await jobs.open(jobRequestOf(request))) };
    },
    async *holdJob({ open }: HoldJobRequest, { signal }: HandlerContext) {
      if (!open) throw invalid("the job to open is missing");
      const job = await jobs.open(jobRequestOf(open));
      const ended = holds.add(job.id, signal);
      yield { job: jobMessage(job) };
      await ended;
    },
    async closeJob({ id }: CloseJobRequest) {
      return { failures: await holds.closeJob(id) };
    },
    listJobs() {
      return { jobs: jobs.list().map(jobMessage) };
    },
    showJob({ id }: ShowJobRequest) {
      return { job: jobMessage(jobs.show(id)) };
    },
    listPlugins() {
      return { plugins: plugins.list().map(pluginMessage) };
    },
    getDaemon() {
      const { version, runtime, dataDir, startedAt } = daemon;
      return { version, runtime, dataDir, processId: process.pid, startedAt: startedAt.toISOString() };
    },
    ...cacheOperations(cache, plugins),
  };
}

function pluginMessage({ id, summary, state, reason, routes }: PluginStatus) {
  return { id, summary, state, reason, routes: routes.map(({ method, path }) => ({ method, path })) };
}
