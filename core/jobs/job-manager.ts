import { conflict, messageOf, notFound } from "../support/errors.ts";
import { abandonedJobs, checkJobId, type JobRecord } from "./job-state.ts";
import type { JobInfo, JobRequest, Jobs } from "./jobs.ts";
import { type JobGround, OpenJob } from "./open-job.ts";

type Entry = { job: OpenJob; state: JobInfo["state"]; opened?: Promise<void>; closed?: Promise<void> };

/** How many abandoned jobs are closed at once when a daemon starts. */
const recoveriesAtOnce = 4;

/** All jobs of one daemon. */
export class JobManager implements Jobs {
  readonly #ground: JobGround;
  readonly #entries = new Map<string, Entry>();
  readonly #recovered: Promise<void>;
  #recoveryDone: () => void = () => {};
  #stopping = false;

  constructor(ground: JobGround) {
    this.#ground = ground;
    this.#recovered = new Promise((resolve) => this.#recoveryDone = resolve);
  }

  /** Counts the jobs that a killed daemon left behind as alive, until {@link recover} closed them. */
  async findAbandoned(): Promise<void> {
    for (const record of await abandonedJobs(this.#ground.facts.dataDir)) {
      this.#entries.set(record.request.id, { job: new OpenJob(this.#ground, record), state: "closing" });
    }
  }

  /** Closes abandoned jobs completely. Jobs open only after it is done; what fails is logged, not thrown. */
  async recover(): Promise<void> {
    const waiting = [...this.#entries.keys()];
    const worker = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) await this.#recoverOne(id);
    };
    await Promise.all(Array.from({ length: recoveriesAtOnce }, worker));
    this.#recoveryDone();
  }

  async open(request: JobRequest): Promise<JobInfo> {
    checkJobId(request.id);
    await this.#recovered;
    if (this.#stopping) throw conflict("the daemon is stopping");
    if (this.#entries.has(request.id)) {
      throw conflict(`job ${request.id} is open already: close it first, or choose another id`);
    }
    const record: JobRecord = { format: 1, request, openedAt: new Date().toISOString() };
    const entry: Entry = { job: new OpenJob(this.#ground, record), state: "opening" };
    this.#entries.set(request.id, entry);
    entry.opened = entry.job.open();
    try {
      await entry.opened;
    } catch (error) {
      this.#entries.delete(request.id);
      throw error;
    }
    if (entry.state === "opening") entry.state = "open";
    this.#ground.facts.log.info({ job: request.id }, "job opened");
    return infoOf(entry);
  }

  async close(id: string): Promise<void> {
    const entry = this.#entry(id);
    await (entry.closed ??= this.#close(id, entry));
  }

  list(): readonly JobInfo[] {
    return [...this.#entries.values()].map(infoOf);
  }

  show(id: string): JobInfo {
    return infoOf(this.#entry(id));
  }

  /** Refuses new jobs and closes all there are. Throws all failures together. */
  async closeAll(): Promise<void> {
    this.#stopping = true;
    await this.#recovered;
    const outcomes = await Promise.allSettled([...this.#entries.keys()].map((id) => this.close(id)));
    const errors = outcomes.filter((each) => each.status === "rejected").map(({ reason }) => reason);
    if (errors.length > 0) throw new AggregateError(errors, errors.map(messageOf).join("; "));
  }

  async #close(id: string, entry: Entry): Promise<void> {
    entry.state = "closing";
    try {
      // A job that failed to open undid itself.
      await entry.opened;
    } catch {
      return;
    }
    try {
      await entry.job.close();
      this.#ground.facts.log.info({ job: id }, "job closed");
    } catch (error) {
      this.#ground.facts.log.error(
        { job: id, error: messageOf(error) },
        "job closed, and something is left behind",
      );
      throw error;
    } finally {
      this.#entries.delete(id);
    }
  }

  async #recoverOne(id: string): Promise<void> {
    const entry = this.#entries.get(id)!;
    try {
      await entry.job.adopt();
    } catch (error) {
      this.#ground.facts.log.error({ job: id, error: messageOf(error) }, "abandoned job could not be read");
    }
    await this.close(id).catch(() => {});
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw notFound(`no such job: ${id}`);
    return entry;
  }
}

function infoOf({ job: { record, paths }, state }: Entry): JobInfo {
  const { id, labels = {}, callerNetns } = record.request;
  return {
    id,
    state,
    socketPath: paths.socket,
    dir: paths.root,
    labels,
    openedAt: new Date(record.openedAt),
    callerNetns,
  };
}
