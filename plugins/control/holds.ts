import type { Jobs } from "../../core/jobs/jobs.ts";
import { messageOf } from "../../core/support/errors.ts";
import type { Logger } from "../../core/support/logger.ts";
import { UndoFailed } from "../../core/support/undo.ts";

/** Jobs that are open for as long as somebody's connection is. */
export class Holds {
  readonly #jobs: Jobs;
  readonly #log: Logger;
  /** By job id: ends the hold without closing the job. */
  readonly #held = new Map<string, () => void>();

  constructor(jobs: Jobs, log: Logger) {
    this.#jobs = jobs;
    this.#log = log;
  }

  /**
   * Holds an open job until the signal fires, which closes the job.
   *
   * @returns settles when the hold is over: the signal fired, or the job was closed by {@link closeJob}
   */
  add(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        signal.removeEventListener("abort", lose);
        if (this.#held.get(id) === end) this.#held.delete(id);
        resolve();
      };
      const lose = () => {
        end();
        void this.#closeLost(id);
      };
      this.#held.set(id, end);
      if (signal.aborted) return lose();
      signal.addEventListener("abort", lose, { once: true });
    });
  }

  /** Closes a job, held or not, and ends its hold. Returns a sentence for everything that could not be removed. */
  async closeJob(id: string): Promise<string[]> {
    // Taken before the close: what another caller opens under the same id right after is not this hold's.
    const end = this.#held.get(id);
    try {
      await this.#jobs.close(id);
      return [];
    } catch (error) {
      if (error instanceof UndoFailed) return error.errors.map(messageOf);
      throw error;
    } finally {
      end?.();
    }
  }

  /** Ends every hold and leaves the jobs to the daemon, which stops. */
  release(): void {
    for (const end of [...this.#held.values()]) end();
  }

  async #closeLost(id: string): Promise<void> {
    this.#log.info({ job: id }, "the caller is gone: closing its job");
    try {
      const failures = await this.closeJob(id);
      if (failures.length > 0) this.#log.warn({ job: id, failures }, "a job was not removed completely");
    } catch (error) {
      this.#log.warn({ job: id, error: messageOf(error) }, "closing a job failed");
    }
  }
}
