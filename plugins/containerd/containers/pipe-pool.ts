import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../../core/support/logger.ts";
import { messageOf } from "../../../core/support/errors.ts";
import { makePipes } from "../../../core/support/runtime.ts";

/** Pipes made in one go. */
const batchSize = 24;
/** New ones are made in the background when fewer than this are left. */
const lowWater = 9;

/**
 * Named pipes made ahead of need, because making one costs a process on Node. Each is used for one run of a container
 * and then discarded.
 */
export class PipePool {
  readonly #dir: string;
  readonly #log: Logger;
  readonly #ready: string[] = [];
  #made = 0;
  #filling: Promise<void> | undefined;

  /** @param dir a directory of the pool's own; what an earlier daemon left in it goes */
  constructor(dir: string, log: Logger) {
    this.#dir = dir;
    this.#log = log;
  }

  async open(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await this.#fill();
  }

  /** Takes so many pipes: their paths. Waits only when more are asked for than were made ahead. */
  async take(count: number): Promise<string[]> {
    while (this.#ready.length < count) await this.#fill();
    const taken = this.#ready.splice(0, count);
    if (this.#ready.length < lowWater) {
      this.#fill().catch((error) => this.#log.warn({ error: messageOf(error) }, "making pipes ahead failed"));
    }
    return taken;
  }

  /** Removes pipes that were taken. */
  async discard(paths: readonly string[]): Promise<void> {
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }

  async close(): Promise<void> {
    await this.#filling?.catch(() => {});
    await rm(this.#dir, { recursive: true, force: true });
  }

  #fill(): Promise<void> {
    return this.#filling ??= this.#makeBatch().finally(() => this.#filling = undefined);
  }

  async #makeBatch(): Promise<void> {
    const paths = Array.from({ length: batchSize }, () => join(this.#dir, `${process.pid}-${this.#made++}`));
    await makePipes(paths);
    this.#ready.push(...paths);
  }
}
