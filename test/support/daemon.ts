/**
 * A real daemon under test: `berth serve` as a process of its own, on the runtime that runs the test, with a data
 * directory and an address pool of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createWriteStream } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlClient, controlClient } from "../../core/control/client.ts";
import type { Undo } from "../../core/support/undo.ts";
import { berthCommand } from "./berth-command.ts";
import { countDescriptors, type DescriptorCounts } from "./descriptors.ts";
import { idleLeftovers } from "./idle.ts";
import { eventually } from "./test.ts";
import { Watch } from "./watch.ts";

export interface DaemonOptions {
  /** More TOML for the config file, after the address pool's table. */
  readonly config?: string;
  /** A data directory that an earlier daemon used; a new one otherwise. */
  readonly dataDir?: string;
  /** The second number of the address pool `10.N.0.0/16`. Two daemons at once need different ones. */
  readonly pool?: number;
}

/** An open job. */
export interface OpenJob {
  readonly id: string;
  readonly socketPath: string;
  readonly dir: string;
  close(): Promise<void>;
}

/** The file in the data directory that daemons' output goes to. */
const logName = "test.log";

/** Leftovers that an error lists. */
const mostShown = 30;

let jobsOpened = 0;

/** A running daemon, or one that ended. */
export class TestDaemon {
  readonly dataDir: string;
  readonly control: ControlClient;
  readonly #child: ChildProcess;
  readonly #logPath: string;
  readonly #exited: Promise<number | null>;
  #descriptors: DescriptorCounts | undefined;

  constructor(dataDir: string, child: ChildProcess, logPath: string) {
    this.dataDir = dataDir;
    this.control = controlClient(dataDir);
    this.#child = child;
    this.#logPath = logPath;
    this.#exited = new Promise((resolve) => child.once("exit", resolve));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the daemon logged so far. */
  log(): Promise<string> {
    return readFile(this.#logPath, "utf8");
  }

  /** Opens a job that closes with the test. */
  async job(
    undo: Undo,
    request: { id?: string; labels?: Record<string, string>; callerNetns?: string } = {},
  ): Promise<OpenJob> {
    const { id = `test-${process.pid}-${++jobsOpened}`, ...rest } = request;
    const { job } = await this.control.openJob({ id, ...rest });
    let closed: Promise<void> | undefined;
    const close = () => closed ??= this.closeJob(id);
    undo.add(`job ${id}`, () => this.#closeIfOpen(id, close), 60_000);
    return { id, socketPath: job!.socketPath, dir: job!.dir, close };
  }

  async #closeIfOpen(id: string, close: () => Promise<void>): Promise<void> {
    const { jobs } = this.running ? await this.control.listJobs({}) : { jobs: [] };
    if (jobs.some((job) => job.id === id)) await close();
  }

  /** Closes a job; fails when anything of it could not be removed. */
  async closeJob(id: string): Promise<void> {
    const { failures } = await this.control.closeJob({ id });
    if (failures.length > 0) throw new Error(`job ${id} left something behind: ${failures.join("; ")}`);
  }

  /** Waits for the daemon to answer; fails with its log when it ends instead. */
  async ready(): Promise<void> {
    await eventually("the daemon to answer", async () => {
      if (!this.running) throw new Error(`the daemon ended early:\n${await this.log()}`);
      return await this.control.getDaemon({}).then(() => true, () => false);
    }, 60_000).catch(async (error) => {
      throw new Error(`${error.message}\n${await this.log()}`);
    });
    this.#descriptors = await countDescriptors(this.pid, this.dataDir);
  }

  /** Fails when the jobs that closed left anything in the daemon, its containerd or its directory. */
  async leavesNothing(timeoutMs?: number): Promise<void> {
    const descriptors = this.#descriptors;
    if (!descriptors) throw new Error("the daemon was never ready");
    const left = await idleLeftovers({ pid: this.pid, dataDir: this.dataDir, descriptors }, timeoutMs);
    if (left.length > 0) throw new Error(`closed jobs left behind:\n${left.slice(0, mostShown).join("\n")}`);
  }

  /**
   * Closes the jobs that are open, looks at what all jobs left, and stops the daemon, whatever it found. For a daemon
   * that ended, or never was ready, there is nothing to look at.
   */
  async stopClean(): Promise<number | null> {
    try {
      if (this.running && this.#descriptors) {
        for (const { id } of (await this.control.listJobs({})).jobs) await this.closeJob(id);
        await this.leavesNothing();
      }
    } finally {
      await this.stop();
    }
    return await this.#exited;
  }

  /** Asks the daemon to stop and waits until it did. Returns its exit code. */
  async stop(): Promise<number | null> {
    // Not child.kill: on Deno the exit code of a child that was signalled that way is lost.
    if (this.running) process.kill(this.pid, "SIGTERM");
    return await this.#exited;
  }

  /** Ends the daemon as a power cut would. */
  async kill(): Promise<void> {
    process.kill(this.pid, "SIGKILL");
    await this.#exited;
  }
}

/**
 * Starts a daemon and waits until it answers. It stops with the test, which fails when the daemon's jobs left
 * anything, and its data directory goes.
 */
export async function startDaemon(undo: Undo, options: DaemonOptions = {}): Promise<TestDaemon> {
  const daemon = await spawnDaemon(undo, options);
  await daemon.ready();
  return daemon;
}

/** Starts a daemon and waits for nothing: for daemons that are meant to fail, or to be killed early. */
export async function spawnDaemon(undo: Undo, options: DaemonOptions = {}): Promise<TestDaemon> {
  const dataDir = options.dataDir ?? await watchedDataDir(undo);
  const configPath = join(dataDir, "test.toml");
  await writeFile(configPath, configText(options));
  const logPath = join(dataDir, logName);
  const log = createWriteStream(logPath, { flags: "a" });
  const [command, ...args] = berthCommand("serve", "--config", configPath, "--data-dir", dataDir);
  const child = spawn(command!, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout!.pipe(log, { end: false });
  child.stderr!.pipe(log, { end: false });
  child.once("close", () => log.end());
  const daemon = new TestDaemon(dataDir, child, logPath);
  undo.add("daemon", () => daemon.stopClean(), 90_000);
  return daemon;
}

/**
 * A data directory that goes with the test, and the test fails when its daemons, which have all ended by then, left
 * anything on the host or more in the directory than they may.
 */
export async function watchedDataDir(undo: Undo): Promise<string> {
  const dataDir = await temporaryDataDir(undo);
  const watch = await Watch.start([dataDir]);
  undo.add("what daemons left", async () => {
    const left = await watch.leftovers();
    if (left.length === 0) return;
    const log = await readFile(join(dataDir, logName), "utf8").catch(() => "");
    throw new Error(`${left.join("\n")}\nThe log:\n${log}`);
  }, 30_000);
  return dataDir;
}

/** A short path: sockets below it must fit into 107 bytes. */
export async function temporaryDataDir(undo: Undo): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), "berth-"));
  undo.add("data directory", () => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}

function configText({ config = "", pool = 200 + process.pid % 40 }: DaemonOptions): string {
  return `[plugins.cni]\npool = ["10.${pool}.0.0/16"]\n\n${config}\n`;
}
