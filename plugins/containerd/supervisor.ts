import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { writeAtomically } from "../../core/support/atomic-file.ts";
import { pause } from "../../core/support/deadline.ts";
import { messageOf } from "../../core/support/errors.ts";
import type { Logger } from "../../core/support/logger.ts";
import type { ContainerdConnection } from "./connection.ts";
import { unmountBelow } from "./mounts.ts";
import { argumentsOf, hasOption, processesWith, signalProcess } from "./processes.ts";
import type { Settings } from "./settings.ts";
import { checkSocketPath, privateConfig, type PrivatePaths, privatePaths } from "./supervisor-config.ts";

/** How long a starting containerd may take to answer, in milliseconds. It opens its database first. */
const answerDeadlineMs = 30_000;
/** How long one that runs already may take to answer before it counts as stuck. */
const survivorDeadlineMs = 10_000;
/** How long containerd and its shims may take to end after SIGTERM before they are killed. */
const endDeadlineMs = 5_000;
const pollMs = 5;
const survivorPollMs = 250;
const firstBackoffMs = 100;
const longestBackoffMs = 10_000;
/** One that lived this long was not failing at start: the next backoff begins anew. */
const healthyAfterMs = 60_000;
/** The log is emptied at start when it is larger than this. */
const longestLogBytes = 16 * 1024 * 1024;

/** A running containerd: ours by birth, or found alive after a daemon was killed. */
interface Running {
  readonly pid: number;
  readonly startedAt: number;
  readonly ended: Promise<void>;
}

export interface SupervisorOptions {
  /** Everything of the private containerd lies here. */
  readonly dir: string;
  readonly settings: Pick<Settings, "binary" | "logLevel" | "snapshotter">;
  readonly log: Logger;
}

/**
 * Keeps a private containerd running. It lives in a session of its own, so that the terminal's Ctrl-C reaches the
 * daemon alone; it outlives a killed daemon, and the next one finds it by its command line and goes on with it.
 * When it dies it is started again, and the connection announces it.
 */
export class Supervisor {
  readonly paths: PrivatePaths;
  readonly #options: SupervisorOptions;
  readonly #connection: ContainerdConnection;
  readonly #closing = new AbortController();
  #running: Running | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions, connection: ContainerdConnection) {
    this.#options = options;
    this.#connection = connection;
    this.paths = privatePaths(options.dir);
  }

  /** The running containerd's process, for `berth doctor` and tests. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Resolves when containerd answers. */
  async open(): Promise<void> {
    checkSocketPath(this.paths.address);
    await mkdir(this.paths.dir, { recursive: true, mode: 0o700 });
    const config = privateConfig(this.paths, this.#options.settings);
    const unchanged = await readFile(this.paths.config, "utf8").catch(() => "") === config;
    this.#running = await this.#survivor(unchanged);
    if (!this.#running) {
      await writeAtomically(this.paths.config, config);
      this.#running = await this.#launch();
    }
    this.#watching = this.#watch();
  }

  /** Ends containerd and whatever it started, and unmounts what it mounted. Images stay on disk. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    for (const { pid } of this.#processes()) await endProcess(pid, "--config", this.paths.config);
    for (const { pid } of processesWith("-address", this.paths.address)) {
      await endProcess(pid, "-address", this.paths.address);
    }
    await unmountBelow(this.paths.dir);
    await Promise.all(
      [this.paths.address, `${this.paths.address}.ttrpc`, this.paths.state, this.paths.temporary].map((
        path,
      ) => rm(path, { recursive: true, force: true })),
    );
  }

  /** A containerd that a killed daemon left. One that does not answer, or has another configuration, is ended. */
  async #survivor(configUnchanged: boolean): Promise<Running | undefined> {
    for (const { pid } of this.#processes()) {
      if (configUnchanged && await this.#answers(survivorDeadlineMs)) {
        this.#options.log.info({ pid }, "containerd runs already");
        return { pid, startedAt: Date.now(), ended: this.#endOf(pid) };
      }
      await endProcess(pid, "--config", this.paths.config);
    }
    return undefined;
  }

  #processes() {
    return processesWith("--config", this.paths.config);
  }

  async #launch(): Promise<Running> {
    await unmountBelow(this.paths.temporary);
    await rm(this.paths.temporary, { recursive: true, force: true });
    if (await sizeOf(this.paths.log) > longestLogBytes) await truncate(this.paths.log);
    const child = this.#spawn();
    const dead = new AbortController();
    const ended = endOf(child).then(() => dead.abort());
    const startedAt = Date.now();
    if (await this.#answers(answerDeadlineMs, dead.signal)) {
      return { pid: child.pid as number, startedAt, ended };
    }
    if (child.pid !== undefined) signalProcess(child.pid, "SIGKILL");
    await ended;
    throw new Error(`containerd does not start: ${await this.#lastWords()}`);
  }

  #spawn(): ChildProcess {
    // A file and no pipe: a pipe would break when this daemon is killed, and containerd with it.
    const log = openSync(this.paths.log, "a", 0o600);
    try {
      return spawn(this.#options.settings.binary, ["--config", this.paths.config], {
        detached: true,
        stdio: ["ignore", log, log],
      });
    } finally {
      closeSync(log);
    }
  }

  /** Whether containerd answers before the deadline. False when it does not, when closing, or when `dead` fires. */
  async #answers(timeoutMs: number, dead = this.#closing.signal): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    while (Date.now() < end && !this.#closing.signal.aborted && !dead.aborted) {
      try {
        await this.#connection.version.version({}, { timeoutMs: 2_000 });
        return true;
      } catch {
        await pause(pollMs, dead);
      }
    }
    return false;
  }

  /** Follows one containerd after the other until closing. Never rejects. */
  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    const closing = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    let backoffMs = firstBackoffMs;
    while (!signal.aborted) {
      const now = this.#running;
      await Promise.race([now?.ended, closing]);
      if (signal.aborted) return;
      if (now && Date.now() - now.startedAt > healthyAfterMs) backoffMs = firstBackoffMs;
      this.#options.log.warn({ pid: now?.pid, backoffMs }, "containerd ended; starting it again");
      this.#running = undefined;
      await pause(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
      await this.#relaunch();
    }
  }

  async #relaunch(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    try {
      this.#running = await this.#launch();
      this.#options.log.info({ pid: this.#running.pid }, "containerd is back");
      this.#connection.announceRestart();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#options.log.error({ error: messageOf(error) }, "containerd does not start");
    }
  }

  /** Settles when a process that is no child of ours ends. */
  async #endOf(pid: number): Promise<void> {
    while (hasOption(argumentsOf(pid), "--config", this.paths.config) && !this.#closing.signal.aborted) {
      await pause(survivorPollMs, this.#closing.signal);
    }
  }

  async #lastWords(): Promise<string> {
    const log = await readFile(this.paths.log, "utf8").catch(() => "");
    const last = log.trimEnd().split("\n").slice(-3).join("; ");
    return last || `${this.#options.settings.binary} cannot be run`;
  }
}

/** Settles when a child ended or could not be started. Never rejects. */
function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
}

/** SIGTERM, then SIGKILL. `flag value` on its command line tells it from a later process with the same number. */
async function endProcess(pid: number, flag: string, value: string): Promise<void> {
  const isRunning = () => hasOption(argumentsOf(pid), flag, value);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (isRunning()) signalProcess(pid, signal);
    const end = Date.now() + endDeadlineMs;
    while (isRunning() && Date.now() < end) await pause(pollMs);
    if (!isRunning()) return;
  }
  throw new Error(`process ${pid} (${flag} ${value}) does not end`);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
