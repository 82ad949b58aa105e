import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Job } from "../../../core/kernel/job.ts";
import { within } from "../../../core/support/deadline.ts";
import { conflict, messageOf, notFound } from "../../../core/support/errors.ts";
import { Undo } from "../../../core/support/undo.ts";
import type {
  ContainerEngine,
  ContainerSpec,
  OutputSink,
  RunningContainer,
} from "../../containers/backend.ts";
import type { JobNetwork } from "../backend.ts";
import { engineError, isAlreadyThere } from "../errors.ts";
import { jobCgroup, removeCgroup } from "./cgroups.ts";
import { rootChainId } from "../images/chain-id.ts";
import { snapshotLabels } from "./labels.ts";
import { deleteTask, removeByForce, removeOwned, removeRecords } from "./removal.ts";
import type { ContainerRun } from "./run.ts";
import { ShimGroups } from "./shim-groups.ts";
import { type Prepared, startContainer } from "./start.ts";
import type { TaskHost } from "./task-host.ts";

const sigkill = 9;
/** How long all containers of a job may take to end and go, in milliseconds: so long, and so long more for each. */
const settleMs = 15_000;
const settleEachMs = 250;
/** How long the sinks of a closing job get for what its containers printed last, in milliseconds. */
const lastWordsMs = 5_000;

/** A container that this engine made, and its current or last run. */
interface Known {
  readonly prepared: Prepared;
  run?: ContainerRun;
  /** Set while a start or a removal is under way. */
  busy: boolean;
}

/** One job's containers in containerd. */
export class ContainerdEngine implements ContainerEngine {
  readonly cgroupNamespace: "private" | "host";
  readonly #host: TaskHost;
  readonly #job: Job;
  readonly #network: JobNetwork | undefined;
  readonly #shims: ShimGroups;
  readonly #known = new Map<string, Known>();
  readonly #pending = new Set<Promise<unknown>>();
  #closing = false;
  #used: boolean;

  /** @param network undefined when no network plugin runs: containers then have loopback only */
  constructor(host: TaskHost, job: Job, network: JobNetwork | undefined) {
    this.cgroupNamespace = host.unifiedCgroups ? "private" : "host";
    this.#host = host;
    this.#job = job;
    this.#network = network;
    this.#used = job.abandoned;
    this.#shims = new ShimGroups(`berth-${host.daemonId}-${job.id}`);
  }

  create(spec: ContainerSpec): Promise<void> {
    return this.#during(() => this.#create(spec));
  }

  start(id: string, output: OutputSink): Promise<RunningContainer> {
    return this.#during(() => this.#exclusively(id, (known) => this.#start(known, output)));
  }

  async remove(id: string): Promise<void> {
    if (!this.#known.has(id)) return;
    await this.#exclusively(id, async (known) => {
      if (known.run && !known.run.ended) {
        throw conflict(`container ${id} is running: stop it before removing it`);
      }
      await known.run?.cleaned;
      await this.#remove(known);
      this.#known.delete(id);
    });
  }

  /**
   * Kills and removes every container of the job, also those that only containerd knows: an abandoned job's.
   * Goes on after failures and reports all of them.
   */
  async close(): Promise<void> {
    this.#closing = true;
    this.#shims.close();
    // An idle job has nothing, and asking containerd for each of a thousand of them would take its time.
    if (!this.#used) return;
    const undo = new Undo(`containers of job ${this.#job.id}`);
    const cgroup = jobCgroup(this.#host.daemonId, this.#job.id);
    undo.add("cgroups", () => removeCgroup(cgroup));
    undo.add("files", () => rm(this.#filesDir, { recursive: true, force: true }));
    const deadlineMs = this.#settleDeadlineMs;
    undo.add("containers", () => removeOwned(this.#host, { jobId: this.#job.id }), deadlineMs);
    undo.add("runs", () => this.#endRuns(deadlineMs), deadlineMs);
    undo.add("starts under way", () => Promise.allSettled(this.#pending));
    await undo.run();
    this.#known.clear();
  }

  /** Two steps that may each take as long as all containers need to settle, and the rest. */
  get closeDeadlineMs(): number {
    return 2 * this.#settleDeadlineMs + settleMs;
  }

  get #settleDeadlineMs(): number {
    return settleMs + this.#known.size * settleEachMs;
  }

  get #filesDir(): string {
    return join(this.#job.dir, "containerd");
  }

  async #create(spec: ContainerSpec): Promise<void> {
    this.#used = true;
    if (spec.network !== "none") this.#network?.prepare();
    const { connection, daemonId, settings } = this.#host;
    try {
      const { mounts } = await connection.snapshots.prepare({
        snapshotter: settings.snapshotter,
        key: spec.id,
        parent: rootChainId(spec.image.config) ?? "",
        labels: snapshotLabels(daemonId, this.#job.id),
      });
      const etcDir = join(this.#filesDir, spec.id);
      this.#known.set(spec.id, {
        prepared: { spec, mounts, etcDir, recorded: false, mayHaveTask: false },
        busy: false,
      });
    } catch (error) {
      if (isAlreadyThere(error)) throw conflict(`container ${spec.id} exists already`, error);
      throw engineError(error, `cannot create container ${spec.id}`);
    }
  }

  async #start(known: Known, output: OutputSink): Promise<RunningContainer> {
    const { prepared, run } = known;
    if (run && !run.ended) throw conflict(`container ${prepared.spec.id} is running already`);
    await run?.settle();
    if (prepared.mayHaveTask) await deleteTask(this.#host.connection, prepared.spec.id);
    known.run = await startContainer(
      {
        host: this.#host,
        jobId: this.#job.id,
        network: this.#network,
        shims: this.#shims,
        log: this.#job.log,
      },
      prepared,
      output,
    );
    return known.run;
  }

  async #remove({ prepared }: Known): Promise<void> {
    const removeRest = prepared.mayHaveTask ? removeByForce : removeRecords;
    try {
      await Promise.all([
        removeRest(this.#host, prepared.spec.id),
        rm(prepared.etcDir, { recursive: true, force: true }),
      ]);
    } catch (error) {
      throw engineError(error, `cannot remove container ${prepared.spec.id}`);
    }
  }

  async #endRuns(deadlineMs: number): Promise<void> {
    const runs = [...this.#known.values()].flatMap(({ run }) => run ? [run] : []);
    await Promise.all(runs.map(async (run) => {
      await run.kill(sigkill).catch((error) =>
        this.#job.log.debug({ error: messageOf(error) }, "killing a container failed")
      );
      // Nobody needs the output of a job that closes: a sink that does not take it must not hold the rest up.
      await within("its last words", lastWordsMs, run.cleaned).catch(() => {});
      run.abandon();
      await within("the end of a container", deadlineMs, run.cleaned);
    }));
  }

  /** Keeps a second start or removal of the same container out. */
  async #exclusively<T>(id: string, work: (known: Known) => Promise<T>): Promise<T> {
    const known = this.#known.get(id);
    if (!known) throw notFound(`No such container: ${id}`);
    if (known.busy) throw conflict(`container ${id} is being started or removed`);
    known.busy = true;
    try {
      return await work(known);
    } finally {
      known.busy = false;
    }
  }

  /** Runs work that close() waits for, and that must not begin after it. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw conflict(`job ${this.#job.id} is closing`);
    const pending = work();
    this.#pending.add(pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(pending);
    }
  }
}
