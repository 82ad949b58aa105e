import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { pause, within } from "../../../core/support/deadline.ts";
import { messageOf, unavailable } from "../../../core/support/errors.ts";
import type { Logger } from "../../../core/support/logger.ts";
import type { ContainerdConnection } from "../connection.ts";
import { unlessMissing } from "../errors.ts";
import type { Envelope } from "../gen/events_pb.ts";
import { TaskExitSchema, TaskOOMSchema } from "../gen/task-events_pb.ts";
import { Status } from "../gen/task_pb.ts";

/** How a task's first process ended, as containerd tells it. */
export interface TaskExit {
  readonly code: number;
  readonly at: Date;
}

const exitTopic = "/tasks/exit";
const oomTopic = "/tasks/oom";
/** An event of our own: its arrival proves that the subscription works. */
const probeTopic = "/berth/subscribed";
const filters = [exitTopic, oomTopic, probeTopic].map((topic) => `topic==${JSON.stringify(topic)}`);
const retryMs = 100;
const probeMs = 200;
const readyDeadlineMs = 5_000;

/** What a task without a trace counts as: its shim was killed. */
const lostExitCode = 137;

/** Somebody waits for a task's end. */
export class Expectation {
  readonly exit: Promise<TaskExit>;
  /** The kernel killed one of the task's processes for want of memory. */
  outOfMemory = false;
  /** The task exists: from now on, when containerd does not know it, it is gone. */
  created = false;
  readonly #settle: (exit: TaskExit) => void;

  constructor() {
    let settle: (exit: TaskExit) => void = () => {};
    this.exit = new Promise((resolve) => settle = resolve);
    this.#settle = settle;
  }

  ended(code: number, at: Timestamp | undefined): void {
    this.#settle({ code, at: at ? timestampDate(at) : new Date() });
  }
}

/**
 * The one subscription to containerd's events. When it breaks it is made again, and everything that is waited for is
 * compared with the tasks there are, so that no exit is lost.
 */
export class TaskEvents {
  readonly #connection: ContainerdConnection;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #expected = new Map<string, Expectation>();
  #running: Promise<void> = Promise.resolve();
  #subscribed: Promise<void>;
  #confirm: () => void = () => {};

  constructor(connection: ContainerdConnection, log: Logger) {
    this.#connection = connection;
    this.#log = log;
    this.#subscribed = this.#unconfirmed();
  }

  open(): void {
    this.#running = this.#follow();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#confirm();
    await this.#running;
  }

  /** Resolves when events arrive: an exit after that is seen. Errors: `unavailable` when that takes too long. */
  async ready(): Promise<void> {
    try {
      await within("the event subscription", readyDeadlineMs, this.#subscribed);
    } catch (error) {
      throw unavailable("containerd is not answering: it sends no events; try again in a moment", error);
    }
  }

  /** Waits for a task's end from now on; to be called before the task is created, and undone with {@link forget}. */
  expect(containerId: string): Expectation {
    const expectation = new Expectation();
    this.#expected.set(containerId, expectation);
    return expectation;
  }

  forget(containerId: string): void {
    this.#expected.delete(containerId);
  }

  #unconfirmed(): Promise<void> {
    return new Promise((resolve) => this.#confirm = resolve);
  }

  /** Subscribes until closing. Never rejects. */
  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const stream = new AbortController();
      const stop = () => stream.abort();
      signal.addEventListener("abort", stop, { once: true });
      try {
        const events = this.#connection.events.subscribe({ filters }, { signal: stream.signal });
        void this.#probe(stream.signal);
        for await (const envelope of events) this.#receive(envelope);
      } catch (error) {
        if (!signal.aborted) this.#log.debug({ error: messageOf(error) }, "containerd's event stream broke");
      }
      signal.removeEventListener("abort", stop);
      stop();
      if (signal.aborted) return;
      this.#subscribed = this.#unconfirmed();
      await pause(retryMs, signal);
    }
  }

  /** Publishes the probe until it comes back: the stream itself says nothing before its first event. */
  async #probe(stream: AbortSignal): Promise<void> {
    let confirmed = false;
    void this.#subscribed.then(() => confirmed = true);
    const event = create(AnySchema, { typeUrl: "containerd.events.TaskOOM", value: probeEvent });
    while (!confirmed && !stream.aborted) {
      await this.#connection.events.publish({ topic: probeTopic, event }).catch(() => {});
      await Promise.race([this.#subscribed, pause(probeMs, stream)]);
    }
  }

  #receive(envelope: Envelope): void {
    const payload = envelope.event?.value ?? new Uint8Array();
    if (envelope.topic === probeTopic) {
      this.#confirm();
      void this.#reconcile();
    } else if (envelope.topic === exitTopic) {
      const exit = fromBinary(TaskExitSchema, payload);
      // Other ids are execs of the container.
      if (exit.id === exit.containerId) {
        this.#expected.get(exit.containerId)?.ended(exit.exitStatus, exit.exitedAt);
      }
    } else {
      const expected = this.#expected.get(fromBinary(TaskOOMSchema, payload).containerId);
      if (expected) expected.outOfMemory = true;
    }
  }

  async #reconcile(): Promise<void> {
    const created = [...this.#expected].filter(([, expectation]) => expectation.created);
    await Promise.all(created.map(async ([id, expectation]) => {
      try {
        const answer = await unlessMissing(this.#connection.tasks.get({ containerId: id }));
        if (!answer) expectation.ended(lostExitCode, undefined);
        else if (answer.process?.status === Status.STOPPED) {
          expectation.ended(answer.process.exitStatus, answer.process.exitedAt);
        }
      } catch (error) {
        // The stream will break too, and everything is asked again.
        this.#log.debug({ error: messageOf(error), container: id }, "a task's state cannot be read");
      }
    }));
  }
}

const probeEvent = toBinary(TaskOOMSchema, create(TaskOOMSchema, { containerId: "berth" }));
