import type { Job } from "../../core/kernel/job.ts";
import type { ContainerdConnection } from "./connection.ts";
import { engineError, unlessMissing, unlessPresent } from "./errors.ts";

/** Label of a lease that belongs to a job: the job's id. */
export const jobLabel = "berth/job";

export const jobLeaseId = (jobId: string) => `berth-job-${jobId}`;

/** A blob, as leases name it. */
export const contentResource = (digest: string) => ({ type: "content", id: digest });

/** A snapshot, as leases name it. */
export const snapshotResource = (snapshotter: string, key: string) => ({
  type: `snapshots/${snapshotter}`,
  id: key,
});

/**
 * One job's lease: whatever the job has in containerd stays while the lease lists it, and is collected when the
 * lease goes. Made when first needed: an idle job has none. Bound before everything that uses it, so that it
 * closes after.
 */
export class JobLease {
  readonly id: string;
  readonly #connection: ContainerdConnection;
  readonly #job: Job;
  #created: Promise<unknown> | undefined;

  constructor(connection: ContainerdConnection, job: Job) {
    this.#connection = connection;
    this.#job = job;
    this.id = jobLeaseId(job.id);
  }

  /** The lease's id, for {@link underLease} and as the target of resources. The lease is there when it resolves. */
  async ensure(): Promise<string> {
    this.#created ??= this.#create();
    try {
      await this.#created;
      return this.id;
    } catch (error) {
      this.#created = undefined;
      throw engineError(error, `cannot create the lease of job ${this.#job.id}`);
    }
  }

  /** Deletes the lease; resolves when what it alone held is off the disk. */
  async close(): Promise<void> {
    if (!this.#created && !this.#job.abandoned) return;
    await this.#created?.catch(() => {});
    try {
      await unlessMissing(this.#connection.leases.delete({ id: this.id, sync: true }));
    } catch (error) {
      throw engineError(error, `cannot delete the lease of job ${this.#job.id}`);
    }
  }

  #create(): Promise<unknown> {
    const labels = { [jobLabel]: this.#job.id };
    return unlessPresent(this.#connection.leases.create({ id: this.id, labels }));
  }
}
