import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { abortable, within } from "../../support/deadline.ts";
import { unavailable } from "../../support/errors.ts";
import { scriptCommand } from "../../support/runtime.ts";
import type { CommonOptions } from "../options.ts";
import { removeUnmounted } from "./remove-unmounted.ts";

/** Time that a daemon may take until jobs can be opened, in milliseconds. */
const startDeadlineMs = 120_000;
/** Time that a daemon may take to close everything, in milliseconds. */
export const stopDeadlineMs = 240_000;

/** What the daemon of a run is started with. */
export interface OwnDaemonOptions extends CommonOptions {
  readonly config?: string;
}

/**
 * A daemon of this run alone, in a process of its own: it stops in order even when this one is killed, because its
 * standard input ends then, and a terminal's Ctrl-C does not reach it. Without a data directory of the user's it
 * lives in a temporary one, which is removed; in one of the user's it finds the images of earlier runs. Runs at the
 * same time must not share a data directory: the first one's end would be the others' end.
 */
export class OwnDaemon {
  readonly dataDir: string;
  readonly #isTemporary: boolean;
  readonly #config: string | undefined;
  #child: ChildProcess | undefined;
  #ready = false;
  #ended: Promise<void> = Promise.resolve();

  constructor({ dataDir, config }: OwnDaemonOptions) {
    this.#isTemporary = dataDir === undefined;
    this.#config = config;
    this.dataDir = dataDir === undefined ? mkdtempSync(join(tmpdir(), "berth-")) : resolve(dataDir);
  }

  /** Resolves when jobs can be opened. Errors: `unavailable` with the daemon's last words. */
  async start(signal: AbortSignal): Promise<void> {
    mkdirSync(this.dataDir, { recursive: true });
    // The job's user must reach the socket below.
    if (this.#isTemporary) chmodSync(this.dataDir, 0o711);
    const child = this.#spawn();
    const ready = new Promise<void>((resolve) => {
      createInterface(child.stdout!).once("line", () => resolve());
    });
    const early = this.#ended.then(async () => {
      throw unavailable(
        `no daemon is running, and one of this run's own did not start: ${await this.#lastWords()}`,
      );
    });
    await abortable(within("the start of a daemon", startDeadlineMs, Promise.race([ready, early])), signal);
    this.#ready = true;
  }

  /**
   * Stops the daemon, waits for its end and removes a temporary data directory. Errors: what the daemon says it left
   * behind; mounts that are still there.
   */
  async stop(): Promise<void> {
    this.#child?.stdin?.end();
    await this.#ended;
    const complaint = this.#ready && this.#child?.exitCode !== 0 ? await this.#lastWords() : undefined;
    if (this.#isTemporary) await removeUnmounted(this.dataDir);
    if (complaint) throw new Error(complaint);
  }

  #spawn(): ChildProcess {
    const [program, ...words] = scriptCommand;
    const options = ["serve", "--data-dir", this.dataDir, "--until-stdin-ends"];
    // Removed by the daemon, which outlives this process when that is killed.
    if (this.#isTemporary) options.push("--temporary");
    if (this.#config) options.push("--config", this.#config);
    // A file, because a pipe would break under the daemon when this process is killed.
    const log = openSync(this.#logPath, "w", 0o600);
    try {
      const child = spawn(program!, [...words, ...options], { stdio: ["pipe", "pipe", log], detached: true });
      this.#child = child;
      this.#ended = new Promise((resolve) => {
        child.once("error", () => resolve());
        child.once("exit", () => resolve());
      });
      child.stdin!.on("error", () => {});
      return child;
    } finally {
      closeSync(log);
    }
  }

  get #logPath(): string {
    return join(this.dataDir, "daemon.log");
  }

  async #lastWords(): Promise<string> {
    const lines = (await readFile(this.#logPath, "utf8").catch(() => "")).trim().split("\n");
    return lines.at(-1)?.replace(/^berth: /, "") || "it said nothing";
  }
}
