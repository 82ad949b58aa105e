import { type ControlClient, controlClient } from "../../control/client.ts";
import type { HoldJobResponse, Job } from "../../control/gen/berth/control/v1/control_pb.ts";
import { openJobMessage } from "../../control/messages.ts";
import type { JobRequest } from "../../jobs/jobs.ts";
import { internal } from "../../support/errors.ts";

/** A job that ends with this process, even when the process is killed: the daemon watches the connection. */
export class HeldJob {
  readonly #client: ControlClient;
  readonly #connection = new AbortController();
  #job: Job | undefined;

  constructor(dataDir: string) {
    this.#client = controlClient(dataDir);
  }

  get id(): string {
    return this.#opened.id;
  }

  get socketPath(): string {
    return this.#opened.socketPath;
  }

  /** Opens the job. When the signal fires meanwhile, the daemon closes it again. */
  async open(request: JobRequest, signal: AbortSignal): Promise<void> {
    const abort = () => this.#connection.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const { signal } = this.#connection;
      const answers = this.#client.holdJob({ open: openJobMessage(request) }, { signal })
        [Symbol.asyncIterator]();
      const { value } = await answers.next();
      this.#job = (value as HoldJobResponse | undefined)?.job;
      // Read on, so that the connection's end is noticed; what it means, the job's close tells.
      answers.next().catch(() => {});
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Closes the job; throws what could not be removed. Does nothing when it never opened. */
  async close(): Promise<void> {
    if (!this.#job) return this.#connection.abort();
    try {
      const { failures } = await this.#client.closeJob({ id: this.#job.id });
      if (failures.length > 0) throw new Error(`left behind: ${failures.join("; ")}`);
    } finally {
      this.#connection.abort();
    }
  }

  get #opened(): Job {
    if (!this.#job) throw internal("the daemon opened no job");
    return this.#job;
  }
}
