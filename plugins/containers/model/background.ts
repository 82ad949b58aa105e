import { messageOf } from "../../../core/support/errors.ts";
import type { Logger } from "../../../core/support/logger.ts";

/** Work that nobody waits for now, and somebody must before the end. Failures are logged. */
export class Background {
  readonly #running = new Set<Promise<void>>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param what names the work in the log, `removal of container 1a2b3c` */
  add(what: string, work: Promise<unknown>): void {
    const tracked: Promise<void> = work.then(() => {}, (error) => {
      this.#log.warn({ what, error: messageOf(error) }, "background work failed");
    }).finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** Resolves when nothing runs any more, what is added meanwhile included. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
