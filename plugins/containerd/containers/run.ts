import type { Logger } from "../../../core/support/logger.ts";
import { messageOf } from "../../../core/support/errors.ts";
import { type Undo, UndoFailed } from "../../../core/support/undo.ts";
import type { Endpoint, Exit, RunningContainer } from "../../containers/backend.ts";
import type { NetworkAttachment } from "../backend.ts";
import type { ContainerdConnection } from "../connection.ts";
import { engineError, unlessMissing } from "../errors.ts";
import { sawOutOfMemory, signalWithin } from "./cgroups.ts";
import type { TaskPipes } from "./output.ts";
import type { Seat } from "./shim-groups.ts";
import type { Expectation } from "./task-events.ts";

const killedCode = 128 + 9;

/** A started task and all that was taken for it. */
export interface RunParts {
  readonly containerId: string;
  /** When the start was asked for: never after the end of a process that is quick. */
  readonly startedAt: Date;
  readonly processId: number;
  readonly tty: boolean;
  readonly cgroup: string;
  readonly network?: NetworkAttachment;
  readonly pipes: TaskPipes;
  readonly expectation: Expectation;
  readonly seat: Seat;
  /** Gives back what only a running process needs: network and pipes. */
  readonly borrowed: Undo;
  /** Gives back everything, task included. */
  readonly undo: Undo;
}

/** One run of a container, from its task's start until everything of it but the root file system is gone. */
export class ContainerRun implements RunningContainer {
  readonly startedAt: Date;
  readonly processId: number;
  readonly endpoint?: Endpoint;
  readonly exited: Promise<Exit>;
  /** Settles when the task and all it used are given back, which begins when it ended. Never rejects. */
  readonly cleaned: Promise<void>;
  ended = false;
  readonly #parts: RunParts;
  readonly #hurry = new AbortController();
  readonly #connection: ContainerdConnection;
  readonly #log: Logger;

  constructor(parts: RunParts, connection: ContainerdConnection, log: Logger) {
    this.#parts = parts;
    this.#connection = connection;
    this.#log = log;
    this.startedAt = parts.startedAt;
    this.processId = parts.processId;
    if (parts.network) this.endpoint = endpointOf(parts.network);
    this.exited = this.#follow();
    this.cleaned = this.exited.then(() => this.#cleanUp());
  }

  /** Signals the process itself where it is certainly ours: asking containerd starts a program for each signal. */
  async kill(signal: number): Promise<void> {
    if (!this.ended && signalWithin(this.#parts.cgroup, this.processId, signal)) return;
    await this.#unlessEnded(
      "cannot kill container",
      () => this.#connection.tasks.kill({ containerId: this.#parts.containerId, signal }),
    );
  }

  async resize({ columns, rows }: { columns: number; rows: number }): Promise<void> {
    if (!this.#parts.tty) return;
    await this.#unlessEnded("cannot resize the terminal", () =>
      this.#connection.tasks.resizePty({
        containerId: this.#parts.containerId,
        width: columns,
        height: rows,
      }));
  }

  writeStdin(chunk: Uint8Array): Promise<void> {
    return this.#parts.pipes.writeStdin(chunk);
  }

  /** First our end of the pipe, so that all that was written is read; then the end that the shim keeps open itself. */
  async closeStdin(): Promise<void> {
    this.#parts.pipes.closeStdin();
    await this.#unlessEnded(
      "cannot close standard input",
      () => this.#connection.tasks.closeIO({ containerId: this.#parts.containerId, stdin: true }),
    );
  }

  /** Resolves when the task and all it used are given back, without waiting for a next container to take its place. */
  settle(): Promise<void> {
    this.#hurry.abort();
    return this.cleaned;
  }

  /** Lets go of the pipes of a run whose end was never heard of. */
  abandon(): void {
    this.#parts.pipes.close();
  }

  async #follow(): Promise<Exit> {
    const { expectation, pipes, cgroup } = this.#parts;
    const { code, at } = await expectation.exit;
    pipes.closeStdin();
    await pipes.finish();
    // The event may come later than the exit; the cgroup, there until the task is deleted, knows.
    const oomKilled = expectation.outOfMemory || (code === killedCode && await sawOutOfMemory(cgroup));
    this.ended = true;
    return { code, at, oomKilled };
  }

  async #cleanUp(): Promise<void> {
    const { borrowed, seat, undo } = this.#parts;
    try {
      // Its failure is also that of the whole, which goes on.
      await borrowed.run().catch(() => {});
      await seat.linger(this.#hurry.signal);
      await undo.run();
    } catch (error) {
      const failed = error instanceof UndoFailed ? error.message : messageOf(error);
      this.#log.warn({ container: this.#parts.containerId, error: failed }, "cleaning up after a run failed");
    }
  }

  async #unlessEnded(what: string, call: () => Promise<unknown>): Promise<void> {
    if (this.ended) return;
    try {
      await unlessMissing(call());
    } catch (error) {
      if (/process already finished|no such process|process does not exist/.test(messageOf(error))) return;
      throw engineError(error, `${what} ${this.#parts.containerId}`);
    }
  }
}

function endpointOf({ ipAddress, prefixLength, gateway, macAddress }: NetworkAttachment): Endpoint {
  return { ipAddress, prefixLength, gateway, macAddress };
}
