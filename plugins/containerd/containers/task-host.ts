import { readdir, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { DaemonFacts } from "../../../core/kernel/plugin.ts";
import { type Token, token } from "../../../core/kernel/scope.ts";
import { messageOf } from "../../../core/support/errors.ts";
import type { Logger } from "../../../core/support/logger.ts";
import type { ContainerdConnection } from "../connection.ts";
import { OptionsSchema } from "../gen/runc-options_pb.ts";
import type { Settings } from "../settings.ts";
import { unifiedCgroups } from "./cgroups.ts";
import { PipePool } from "./pipe-pool.ts";
import { removeOwned } from "./removal.ts";
import { loadSeccomp, type Seccomp } from "./seccomp.ts";
import { TaskEvents } from "./task-events.ts";

export type HostSettings = Pick<Settings, "runtime" | "runc" | "seccompProfile" | "snapshotter">;

/** What the containers of all jobs share: the event subscription, the pipes made ahead, facts about the host. */
export class TaskHost {
  readonly connection: ContainerdConnection;
  readonly events: TaskEvents;
  readonly pipes: PipePool;
  readonly daemonId: string;
  readonly settings: HostSettings;
  readonly unifiedCgroups = unifiedCgroups();
  #seccomp: Seccomp = {};
  readonly #daemon: DaemonFacts;
  readonly #log: Logger;

  constructor(connection: ContainerdConnection, settings: HostSettings, daemon: DaemonFacts, log: Logger) {
    this.connection = connection;
    this.settings = settings;
    this.daemonId = daemon.id;
    this.#daemon = daemon;
    this.#log = log;
    this.events = new TaskEvents(connection, log);
    this.pipes = new PipePool(`${daemon.dataDir}/containerd/pipes`, log);
  }

  /** Sweeps what jobs left that are no more, then is ready for new ones. */
  async open(): Promise<void> {
    this.#seccomp = await loadSeccomp(this.settings.seccompProfile);
    this.events.open();
    await this.pipes.open();
    await this.#sweep();
    await this.events.ready();
  }

  /** What keeps containers from dangerous system calls; read at the opening. */
  get seccomp(): Seccomp {
    return this.#seccomp;
  }

  async close(): Promise<void> {
    await this.events.close();
    await this.pipes.close();
    await removeEmptied(this.#runcRoot);
  }

  /** A container that cannot be removed must not keep the daemon from starting. */
  async #sweep(): Promise<void> {
    const live = new Set(this.#daemon.liveJobs());
    try {
      const swept = await removeOwned(this, { keep: (jobId) => live.has(jobId) });
      if (swept > 0) this.#log.info({ swept }, "removed containers of jobs that are no more");
    } catch (error) {
      this.#log.error(
        { error: messageOf(error) },
        "containers of jobs that are no more could not be removed",
      );
    }
  }

  /** Beside a private containerd's own state, and not in a directory that all daemons share. */
  get #runcRoot(): string {
    return `${this.#daemon.dataDir}/containerd/state/runc`;
  }

  /** The runc shim's options for a container record. */
  runtimeOptions(): Any {
    const options = create(OptionsSchema, { binaryName: this.settings.runc, root: this.#runcRoot });
    return create(AnySchema, {
      typeUrl: "containerd.runc.v1.Options",
      value: toBinary(OptionsSchema, options),
    });
  }
}

/** Removes runc's directories, one for each namespace, and what is around them. What holds anything stays. */
async function removeEmptied(root: string): Promise<void> {
  const namespaces = await readdir(root).catch(() => []);
  for (const directory of [...namespaces.map((name) => join(root, name)), root, dirname(root)]) {
    await rmdir(directory).catch(() => {});
  }
}

/** Daemon-scoped. */
export const TaskHostToken: Token<TaskHost> = token("containerd.task-host");
