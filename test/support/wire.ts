/**
 * What every wire file does: one real daemon for all tests of the file, started by the first that needs it; a job
 * of its own for each test; and at the end nothing is left of the jobs in the daemon, nor, when that stopped, of it.
 */
import { assert, test } from "./test.ts";
import { Undo } from "../../core/support/undo.ts";
import { imageArchive, type ImageRecipe } from "./busybox-image.ts";
import { type DaemonOptions, type OpenJob, startDaemon, type TestDaemon } from "./daemon.ts";
import { type CliBinary, Docker, dockerBinaries, newestDocker } from "./docker-cli.ts";
import { must } from "./engine-api.ts";

/** A job with the busybox image loaded, and the CLI on its socket. */
export interface WireJob extends OpenJob {
  readonly docker: Docker;
}

export interface WireJobOptions {
  readonly binary?: CliBinary;
  /** What to load; default the plain busybox image, null for none. */
  readonly image?: ImageRecipe | null;
  readonly callerNetns?: string;
}

/** The daemon of one wire file. */
export class Wire {
  readonly #options: DaemonOptions;
  readonly #undo = new Undo("the file's daemon");
  #daemon: Promise<TestDaemon> | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  /** The daemon, started when nobody asked before. */
  daemon(): Promise<TestDaemon> {
    return this.#daemon ??= startDaemon(this.#undo, this.#options);
  }

  /** Opens a job that closes with the test. */
  async job(
    undo: Undo,
    { binary = newestDocker, image = {}, callerNetns }: WireJobOptions = {},
  ): Promise<WireJob> {
    const daemon = await this.daemon();
    const job = await daemon.job(undo, { callerNetns });
    if (image) await loadImage(job.socketPath, image);
    return { ...job, docker: new Docker(job.socketPath, binary) };
  }

  /** The file's last test: its jobs left nothing, the daemon stops in good order, and nothing of that is left. */
  leavesNothing(): void {
    test("leaves nothing behind when its jobs closed and when the daemon stopped", async (undo) => {
      undo.add("the file's daemon", () => this.#undo.run(), 120_000);
      const daemon = await this.daemon();
      const code = await daemon.stopClean();
      assert.is(code, 0, `the daemon exited with ${code}:\n${await daemon.log()}`);
    });
  }
}

/** Declares the daemon of this file. */
export function wire(options: DaemonOptions = {}): Wire {
  return new Wire(options);
}

/** Loads an image made on the spot into a job. */
export async function loadImage(socketPath: string, recipe: ImageRecipe = {}): Promise<void> {
  const body = await imageArchive(recipe);
  const answer = await must(200, socketPath, "POST", "/images/load?quiet=1", {
    body,
    headers: { "Content-Type": "application/x-tar" },
  });
  if (/"error"/.test(answer.text)) throw new Error(`loading failed: ${answer.text}`);
}

/** Declares a test once for every docker CLI at hand. */
export function testWithEachCli(
  behaviour: string,
  body: (undo: Undo, binary: CliBinary) => Promise<void>,
): void {
  for (const binary of dockerBinaries) {
    test(`${behaviour} (docker ${binary.version})`, (undo) => body(undo, binary));
  }
}

/** Sizes that the project promises at full size and CI tries smaller: `--full` or BERTH_TEST_FULL=1 means full. */
export function size(full: number, reduced: number): number {
  return process.env["BERTH_TEST_FULL"] === "1" ? full : reduced;
}
