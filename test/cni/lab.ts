/** A daemon's worth of the cni plugin for tests: its own id, data directory and a pool that meets nobody else's. */
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { JobToken } from "../../core/kernel/job.ts";
import type { DaemonFacts, PluginContext } from "../../core/kernel/plugin.ts";
import { Scope } from "../../core/kernel/scope.ts";
import { checkSettings } from "../../core/kernel/settings.ts";
import { DaemonToken } from "../../core/kernel/tokens.ts";
import { silent } from "../../core/support/logger.ts";
import { run } from "../../core/support/spawn.ts";
import { Undo } from "../../core/support/undo.ts";
import { type JobNetwork, JobNetworkToken } from "../../plugins/containerd/backend.ts";
import { HostNetworksToken } from "../../plugins/cni/host-networks.ts";
import plugin from "../../plugins/cni/plugin.ts";
import { type CniSettings, CniSettingsSchema } from "../../plugins/cni/settings.ts";

/** One job that is open. */
export interface OpenJob {
  readonly network: JobNetwork;
  readonly close: () => Promise<void>;
}

export interface LabOptions {
  readonly settings?: Partial<CniSettings>;
  /** Another daemon's directory and id, to be that daemon after a restart. */
  readonly like?: { readonly dataDir: string; readonly id: string };
  /** Jobs that the daemon finds alive when it starts. */
  readonly liveJobs?: readonly string[];
}

/** A slice of 16 subnets that no other test is likely to choose. */
export function randomPool(): string {
  return `10.${randomInt(240, 255)}.${randomInt(0, 16) * 16}.0/20`;
}

/** Starts the plugin in a daemon's scope; the undo stack stops it and removes its directory. */
export async function startCni(undo: Undo, { settings, like, liveJobs = [] }: LabOptions = {}) {
  const dataDir = like?.dataDir ?? await mkdtemp(join(tmpdir(), "berth-cni-"));
  if (!like) undo.add("data directory", () => rm(dataDir, { recursive: true, force: true }));
  const id = like?.id ?? randomLetters(8);
  const context: PluginContext<CniSettings> = {
    settings: checkSettings(CniSettingsSchema, { pool: [randomPool()], ...settings }, "plugins.cni"),
    log: silent,
    daemon: factsOf(dataDir, id, liveJobs),
  };
  const scope = Scope.daemon();
  scope.bind(DaemonToken, { value: context.daemon });
  plugin.daemon!(scope, context);
  undo.add("daemon", () => scope.close());
  await scope.open();
  return {
    dataDir,
    id,
    host: scope.get(HostNetworksToken),
    describe: () => plugin.describe!(scope),
    stop: () => scope.close(),
    openJob: async (jobId: string, more: Partial<Job> = {}): Promise<OpenJob> => {
      const closing = new AbortController();
      const job = jobOf(jobId, dataDir, closing.signal, more);
      const jobScope = scope.job(jobId);
      jobScope.bind(JobToken, { value: job });
      plugin.job!(jobScope, context, job);
      const close = async () => {
        closing.abort(new Error("the job is closing"));
        await jobScope.close();
      };
      undo.add(`job ${jobId}`, close, 30_000);
      await jobScope.open();
      return { network: jobScope.get(JobNetworkToken), close };
    },
  };
}

function factsOf(dataDir: string, id: string, liveJobs: readonly string[]): DaemonFacts {
  return {
    version: "0.0.0",
    runtime: "test",
    dataDir,
    id,
    startedAt: new Date(),
    log: silent,
    liveJobs: () => liveJobs,
  };
}

function jobOf(id: string, dataDir: string, signal: AbortSignal, more: Partial<Job>): Job {
  return {
    id,
    labels: {},
    dir: join(dataDir, "jobs", id),
    socketPath: join(dataDir, "jobs", id, "d.sock"),
    openedAt: new Date(),
    signal,
    log: silent,
    abandoned: false,
    ...more,
  };
}

function randomLetters(count: number): string {
  return Array.from({ length: count }, () => "abcdefghijklmnopqrstuvwxyz234567"[randomInt(32)]).join("");
}

/** Runs a program in a network namespace; returns its exit code and output, whatever they are. */
export async function inNamespace(path: string, ...command: string[]) {
  const exitCodes = Array.from({ length: 256 }, (_, code) => code);
  return await run("nsenter", [`--net=${path}`, ...command], { exitCodes, timeoutMs: 20_000 });
}

/** Whether a host answers one of five pings sent from a network namespace: on a busy machine the first may be late. */
export async function reaches(path: string, address: string): Promise<boolean> {
  for (let left = 5; left > 0; left--) if (await pings(path, address)) return true;
  return false;
}

/** Whether a host answers a ping sent from a network namespace within a second. */
export async function pings(path: string, address: string): Promise<boolean> {
  return (await inNamespace(path, "busybox", "ping", "-c", "1", "-W", "1", address)).exitCode === 0;
}

/** A network namespace with a process in it, as a job's container is. */
export async function startCaller(undo: Undo) {
  const { spawn } = await import("node:child_process");
  const child = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const end = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  undo.add("caller", end);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return { namespacePath: `/proc/${child.pid}/ns/net`, end };
}
