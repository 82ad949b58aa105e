import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Job } from "../../../core/kernel/job.ts";
import { inject, type Token, token } from "../../../core/kernel/scope.ts";
import { JobToken } from "../../../core/kernel/tokens.ts";
import { type Settings, SettingsToken } from "../settings.ts";
import { SpoolBudget, type SpoolShare } from "./spool-budget.ts";

/** Job-scoped; load and import take it. */
export const SpoolsToken: Token<Spools> = token("images.spools");

/** Where one archive may lie while it is being taken apart. */
export interface SpoolSpace {
  /** Empty at first, and gone with what is in it when the work has ended. */
  readonly directory: string;
  /** What the archive may take on disk. */
  readonly onDisk: SpoolShare;
  /** What it may unpack to on its way, when that is not kept. */
  readonly unpacked: SpoolShare;
}

/** Start of the names of directories in the job's own. */
const prefix = "load-";

/** Directories in the job's own for archives that are on their way into the store, with a limit on them all. */
export class Spools {
  readonly #job: Job;
  readonly #onDisk: SpoolBudget;
  readonly #unpacked: SpoolBudget;

  constructor(@inject(JobToken) job: Job, @inject(SettingsToken) { loadLimitBytes }: Settings) {
    this.#job = job;
    this.#onDisk = new SpoolBudget(loadLimitBytes);
    this.#unpacked = new SpoolBudget(loadLimitBytes);
  }

  /** What an archive left behind when the daemon was killed in the middle of it goes. */
  async open(): Promise<void> {
    for (const name of await readdir(this.#job.dir)) {
      if (name.startsWith(prefix)) await rm(join(this.#job.dir, name), { recursive: true, force: true });
    }
  }

  /** Lends space to work that yields what a client is told. */
  async *lend<T, R>(work: (space: SpoolSpace) => AsyncGenerator<T, R>): AsyncGenerator<T, R> {
    const directory = await mkdtemp(join(this.#job.dir, prefix));
    const [onDisk, unpacked] = [this.#onDisk.share(), this.#unpacked.share()];
    try {
      return yield* work({ directory, onDisk, unpacked });
    } finally {
      await rm(directory, { recursive: true, force: true });
      onDisk.giveBack();
      unpacked.giveBack();
    }
  }
}
