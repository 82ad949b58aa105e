import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Logger } from "../../../core/support/logger.ts";
import { messageOf, unavailable } from "../../../core/support/errors.ts";
import { Undo } from "../../../core/support/undo.ts";
import type { ContainerSpec, OutputSink } from "../../containers/backend.ts";
import type { JobNetwork, NetworkAttachment } from "../backend.ts";
import { unlessPresent } from "../errors.ts";
import type { Mount } from "../gen/types_pb.ts";
import { jobCgroup } from "./cgroups.ts";
import { writeEtcFiles } from "./etc-files.ts";
import { layersOf, readInLayers } from "./layers.ts";
import { ownerLabels } from "./labels.ts";
import { TaskPipes } from "./output.ts";
import { deleteTask } from "./removal.ts";
import { ContainerRun } from "./run.ts";
import type { Seat, ShimGroups } from "./shim-groups.ts";
import { type RuntimeSpec, runtimeSpec } from "./spec.ts";
import { startError } from "./start-errors.ts";
import type { TaskHost } from "./task-host.ts";
import { type ProcessUser, resolveUser } from "./users.ts";

const specTypeUrl = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

/** What starting takes from the job. */
export interface StartContext {
  readonly host: TaskHost;
  readonly jobId: string;
  readonly network: JobNetwork | undefined;
  readonly shims: ShimGroups;
  readonly log: Logger;
}

/** A container that is prepared. */
export interface Prepared {
  readonly spec: ContainerSpec;
  readonly mounts: Mount[];
  /** Directory of its generated files under /etc. */
  readonly etcDir: string;
  /** Whether containerd has a record of it. */
  recorded: boolean;
  /** Whether containerd may have a task of it: one is being made, was made, or could not be deleted. */
  mayHaveTask: boolean;
}

/** Starts a prepared container. When it cannot be started everything is undone, and it may be started again. */
export async function startContainer(
  context: StartContext,
  container: Prepared,
  sink: OutputSink,
): Promise<ContainerRun> {
  const borrowed = new Undo(`what container ${container.spec.id} was lent`);
  const undo = new Undo(`start of container ${container.spec.id}`);
  undo.add("what it was lent", () => borrowed.run());
  try {
    return await new Start(context, container, undo, borrowed).run(sink);
  } catch (error) {
    await undo.run().catch((failure) =>
      context.log.warn({ error: messageOf(failure), container: container.spec.id }, "undoing a start failed")
    );
    throw startError(error);
  }
}

/** One start, step by step; each step registers its undo. */
class Start {
  readonly #context: StartContext;
  readonly #container: Prepared;
  readonly #undo: Undo;
  /** What is given back as soon as the process ended, before its task goes. */
  readonly #borrowed: Undo;

  constructor(context: StartContext, container: Prepared, undo: Undo, borrowed: Undo) {
    this.#context = context;
    this.#container = container;
    this.#undo = undo;
    this.#borrowed = borrowed;
  }

  async run(sink: OutputSink): Promise<ContainerRun> {
    const { host, shims, log } = this.#context;
    const { spec } = this.#container;
    const [user, network, pipes, seat] = await all([
      this.#resolveUser(),
      this.#connect(),
      this.#openPipes(sink),
      shims.join().then((joined) => this.#seated(joined)),
      host.events.ready(),
    ]);
    await this.#record(user, network, seat.group);
    const expectation = host.events.expect(spec.id);
    this.#borrowed.add("exit expectation", () => host.events.forget(spec.id));
    const { processId, startedAt } = await this.#startTask(pipes, seat, expectation);
    return new ContainerRun(
      {
        containerId: spec.id,
        startedAt,
        processId,
        tty: spec.tty,
        cgroup: this.#cgroup,
        network,
        pipes,
        expectation,
        seat,
        borrowed: this.#borrowed,
        undo: this.#undo,
      },
      host.connection,
      log,
    );
  }

  get #cgroup(): string {
    const { host, jobId } = this.#context;
    return `${jobCgroup(host.daemonId, jobId)}/${this.#container.spec.id}`;
  }

  async #resolveUser(): Promise<ProcessUser> {
    const layers = layersOf(this.#container.mounts);
    const [passwd, group] = await Promise.all([
      readInLayers(layers, "/etc/passwd"),
      readInLayers(layers, "/etc/group"),
    ]);
    return resolveUser(this.#container.spec.user, passwd, group);
  }

  /** Lends a network namespace and writes the files that tell of it. */
  async #connect(): Promise<NetworkAttachment | undefined> {
    const { network } = this.#context;
    const { spec, etcDir } = this.#container;
    let attachment: NetworkAttachment | undefined;
    if (spec.network !== "none") {
      if (!network) {
        throw unavailable(
          `network mode "${spec.network}" needs the cni plugin, which is not running; enable it or use network mode "none"`,
        );
      }
      const lent = await network.lend(spec.id);
      this.#borrowed.add(`network of container ${spec.id}`, () => network.giveBack(lent));
      attachment = lent;
    }
    await writeEtcFiles(etcDir, spec, {
      ipAddress: attachment?.ipAddress,
      nameservers: network?.nameservers ?? [],
    });
    return attachment;
  }

  async #openPipes(sink: OutputSink): Promise<TaskPipes> {
    const { tty, openStdin } = this.#container.spec;
    const pool = this.#context.host.pipes;
    const taken = await pool.take(1 + (tty ? 0 : 1) + (openStdin ? 1 : 0));
    this.#borrowed.add("pipe files", () => pool.discard(taken));
    const [stdout = "", ...others] = taken;
    const stderr = tty ? "" : others.shift() ?? "";
    const pipes = new TaskPipes({ stdin: others[0] ?? "", stdout, stderr }, sink, this.#context.log);
    this.#borrowed.add("pipes", () => pipes.close());
    return pipes;
  }

  #seated(seat: Seat): Seat {
    this.#undo.add("place in the shim", () => seat.leave());
    return seat;
  }

  async #record(user: ProcessUser, network: NetworkAttachment | undefined, shimGroup: string): Promise<void> {
    const { host } = this.#context;
    const spec = runtimeSpec(this.#container.spec, {
      user,
      networkNamespace: network?.namespacePath,
      etcDir: this.#container.etcDir,
      cgroupsPath: this.#cgroup,
      shimGroup,
      unifiedCgroups: host.unifiedCgroups,
      seccomp: host.seccomp.filter,
    });
    const record = this.#recordOf(spec);
    const { containers } = host.connection;
    // One whose answer got lost is there all the same.
    const made = !this.#container.recorded && await unlessPresent(containers.create({ container: record }));
    this.#container.recorded = true;
    if (!made) await containers.update({ container: record, updateMask: { paths: ["spec"] } });
  }

  #recordOf(spec: RuntimeSpec) {
    const { host, jobId } = this.#context;
    const { id } = this.#container.spec;
    return {
      id,
      labels: ownerLabels(host.daemonId, jobId),
      runtime: { name: host.settings.runtime, options: host.runtimeOptions() },
      spec: create(AnySchema, {
        typeUrl: specTypeUrl,
        value: new TextEncoder().encode(JSON.stringify(spec)),
      }),
      snapshotter: host.settings.snapshotter,
      snapshotKey: id,
    };
  }

  async #startTask(pipes: TaskPipes, seat: Seat, expectation: { created: boolean }) {
    const { tasks } = this.#context.host.connection;
    const { spec, mounts } = this.#container;
    const containerId = spec.id;
    this.#undo.add(`task of container ${containerId}`, async () => {
      await seat.leave();
      await deleteTask(this.#context.host.connection, containerId);
      this.#container.mayHaveTask = false;
    });
    this.#container.mayHaveTask = true;
    await tasks.create({ containerId, rootfs: mounts, ...pipes.paths, terminal: spec.tty });
    seat.created();
    expectation.created = true;
    const startedAt = new Date();
    const { pid } = await tasks.start({ containerId });
    return { processId: pid, startedAt };
  }
}

/** Like Promise.all, but an error waits for the others: what they take must be known before it is given back. */
async function all<T extends readonly unknown[]>(
  work: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  await Promise.allSettled(work);
  return await Promise.all(work) as unknown as T;
}
