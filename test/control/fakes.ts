import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobInfo, JobRequest, Jobs } from "../../core/jobs/jobs.ts";
import type { DaemonFacts } from "../../core/kernel/plugin.ts";
import type { PluginDirectory } from "../../core/kernel/tokens.ts";
import { conflict, notFound } from "../../core/support/errors.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import type { CacheAdmin } from "../../plugins/control/backend.ts";
import { ControlServer } from "../../plugins/control/server.ts";

/** Jobs that exist in memory alone. */
export class FakeJobs implements Jobs {
  readonly jobs = new Map<string, JobInfo>();
  readonly requests: JobRequest[] = [];
  /** What the next close throws after it removed the job. */
  closeFailure: Error | undefined;

  open(request: JobRequest): Promise<JobInfo> {
    this.requests.push(request);
    const { id, labels = {}, callerNetns } = request;
    if (this.jobs.has(id)) return Promise.reject(conflict(`job ${id} is open already`));
    const dir = `/var/lib/berth/jobs/${id}`;
    const socketPath = `${dir}/docker/d.sock`;
    const openedAt = new Date("2026-01-02T03:04:05Z");
    const job = { id, state: "open" as const, socketPath, dir, labels, openedAt, callerNetns };
    this.jobs.set(id, job);
    return Promise.resolve(job);
  }

  close(id: string): Promise<void> {
    if (!this.jobs.delete(id)) return Promise.reject(notFound(`no such job: ${id}`));
    return this.closeFailure ? Promise.reject(this.closeFailure) : Promise.resolve();
  }

  list(): readonly JobInfo[] {
    return [...this.jobs.values()];
  }

  show(id: string): JobInfo {
    const job = this.jobs.get(id);
    if (!job) throw notFound(`no such job: ${id}`);
    return job;
  }
}

export const fakePlugins: PluginDirectory = {
  list: () => [
    {
      id: "system",
      summary: "Says who answers",
      state: "running",
      routes: [{ method: "GET", path: "/info" }],
    },
    {
      id: "cni",
      summary: "Wires networks",
      state: "skipped",
      reason: "no bridge plugin in /usr/lib/cni",
      routes: [],
    },
  ],
  describe: () => Promise.resolve([]),
};

/** A directory of this test's own. */
export async function temporaryDir(undo: Undo): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-test-"));
  undo.add(dir, () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Serves the control API over fake jobs in this process. */
export async function serveControl(
  undo: Undo,
  { plugins = fakePlugins, cache }: { plugins?: PluginDirectory; cache?: CacheAdmin } = {},
): Promise<{ dataDir: string; jobs: FakeJobs; server: ControlServer }> {
  const dataDir = await temporaryDir(undo);
  const jobs = new FakeJobs();
  const server = new ControlServer(jobs, plugins, factsOf(dataDir), cache);
  undo.add("control server", () => server.close());
  await server.open();
  return { dataDir, jobs, server };
}

/** The facts of a daemon that lives in this directory. */
export const factsOf = (dataDir: string): DaemonFacts => ({
  version: "9.8.7",
  runtime: "fake 1.0",
  dataDir,
  id: "abcdefgh",
  startedAt: new Date("2026-01-02T03:04:05Z"),
  log: silent,
  liveJobs: () => [],
});
