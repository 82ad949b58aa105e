import { Turns } from "../../../core/support/turns.ts";
import type { Exit, RunningContainer } from "../backend.ts";
import type { ContainerLog } from "../log/container-log.ts";
import { instantOf, never, rfc3339 } from "./instant.ts";
import type { ContainerFacts, ContainerState } from "./record.ts";
import type { ContainerStore } from "./store.ts";
import { Waiters } from "./waiters.ts";

export const createdState: ContainerState = {
  status: "created",
  exitCode: 0,
  error: "",
  oomKilled: false,
  startedAt: never,
  finishedAt: never,
  processId: 0,
};

/** One container of a job: what it is, how it does, what it printed, who waits for it. */
export class Container {
  readonly facts: ContainerFacts;
  readonly log: ContainerLog;
  readonly waiters = new Waiters();
  /** Starts and removals go one after another. */
  readonly turn = new Turns(1);
  readonly #store: ContainerStore;
  #state: ContainerState;
  #running: RunningContainer | undefined;
  #saving: Promise<void> | undefined;
  #dirty = false;
  #removing = false;

  constructor(facts: ContainerFacts, state: ContainerState, log: ContainerLog, store: ContainerStore) {
    this.facts = facts;
    this.#state = state;
    this.log = log;
    this.#store = store;
  }

  get id(): string {
    return this.facts.id;
  }

  get name(): string {
    return this.facts.name;
  }

  get state(): ContainerState {
    return this.#state;
  }

  /** The process, while it runs. */
  get running(): RunningContainer | undefined {
    return this.#running;
  }

  /** Somebody is removing it: whoever comes second is told so. */
  get removing(): boolean {
    return this.#removing;
  }

  set removing(value: boolean) {
    this.#removing = value;
  }

  started(running: RunningContainer): void {
    this.#running = running;
    this.#state = {
      status: "running",
      exitCode: 0,
      error: "",
      oomKilled: false,
      startedAt: rfc3339(instantOf(running.startedAt)),
      finishedAt: never,
      processId: running.processId ?? 0,
      endpoint: running.endpoint,
    };
    this.log.changes.notify();
  }

  /** The start failed: the container stays what it was, with an exit code and the reason. */
  notStarted(exitCode: number, error: string): void {
    this.#state = { ...this.#state, exitCode, error, processId: 0, endpoint: undefined };
    this.log.finish();
  }

  /** The process ended. Whoever waits for that is told; nothing waits for the disk. */
  exited(exit: Exit): void {
    const finishedAt = latest(exit.at, this.#running?.startedAt);
    this.#running = undefined;
    this.#state = {
      ...this.#state,
      status: "exited",
      exitCode: exit.code,
      oomKilled: exit.oomKilled,
      finishedAt: rfc3339(instantOf(finishedAt)),
      processId: 0,
      endpoint: undefined,
    };
    this.log.finish();
    this.waiters.exited(exit.code);
  }

  /** Writes the record. States that pass while the disk is busy are not written. */
  save(): Promise<void> {
    this.#dirty = true;
    return this.#saving ??= this.#saveAll();
  }

  /** Removes the record; it is not written again. Resolves when the container would not be back after a restart. */
  async forget(): Promise<void> {
    this.#dirty = false;
    await this.#saving?.catch(() => {});
    await this.#store.forget(this.id);
  }

  async #saveAll(): Promise<void> {
    try {
      while (this.#dirty) {
        this.#dirty = false;
        await this.#store.save({ format: 1, facts: this.facts, state: this.#state });
      }
    } finally {
      // At once, and not when the promise settles: a save in between would count on a write that was over.
      this.#saving = undefined;
    }
  }
}

/** An engine learns of a start after it happened, and may learn of the end of something short with an earlier time. */
const latest = (end: Date, start: Date | undefined) => start && start > end ? start : end;
