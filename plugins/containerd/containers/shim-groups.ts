import { randomBytes } from "node:crypto";
import { pause } from "../../../core/support/deadline.ts";

/** How long the last container's task is kept after its end for a next container, in milliseconds. */
const lingerMs = 1_000;

/**
 * Which shim process serves which container. The containers of a job share one; but a shim ends with its last
 * container, and a container that is being created in a shim that is about to end fails. So a group whose last
 * container goes is never used again, and the first container of a new one starts alone. The last one stays a moment
 * after its end: jobs run one command after the other, and to end a shim and start the next costs five processes.
 */
export class ShimGroups {
  readonly #name: string;
  // Not the process number: a daemon that starts again may get the same one while its old shims are ending.
  readonly #life = randomBytes(4).toString("hex");
  readonly #closing = new AbortController();
  #made = 0;
  #current: Group | undefined;

  /** @param name unique on the host */
  constructor(name: string) {
    this.#name = name;
  }

  /** Takes a place for a container that is about to be created. Waits while a group's first shim starts. */
  async join(): Promise<Seat> {
    for (;;) {
      const group = this.#current;
      if (!group || group.over) return this.#found();
      if (group.created > 0) return new Seat(group);
      await group.settled();
    }
  }

  /** From now on no container stays for the sake of a next one. */
  close(): void {
    this.#closing.abort();
  }

  #found(): Seat {
    this.#current = new Group(`${this.#name}-${this.#life}-${++this.#made}`, this.#closing.signal);
    return new Seat(this.#current);
  }
}

/** The containers of one shim process. */
class Group {
  readonly name: string;
  creating = 0;
  created = 0;
  over = false;
  /** Fires when nobody may linger any more. */
  readonly closing: AbortSignal;
  /** Ends the lingering of the last container, when one does. */
  onJoin: () => void = () => {};
  #waiting: (() => void)[] = [];

  constructor(name: string, closing: AbortSignal) {
    this.name = name;
    this.closing = closing;
  }

  /** Resolves when no container is being created. */
  async settled(): Promise<void> {
    while (this.creating > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    if (this.creating > 0) return;
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

/** One container's place in a shim. */
export class Seat {
  readonly #group: Group;
  #state: "creating" | "created" | "left" = "creating";

  constructor(group: Group) {
    this.#group = group;
    group.creating++;
    group.onJoin();
  }

  /** The group's name, for the container's specification. */
  get group(): string {
    return this.#group.name;
  }

  /** The shim serves the container now. */
  created(): void {
    if (this.#state !== "creating") return;
    this.#state = "created";
    this.#group.created++;
    this.#creationEnded();
  }

  /**
   * The container ended. Resolves when its task may go: at once unless it is the last of the group; otherwise when the
   * next container joins, a moment is over, or the signal fires.
   */
  async linger(signal: AbortSignal): Promise<void> {
    const group = this.#group;
    if (this.#state !== "created" || group.created > 1 || group.creating > 0) return;
    const joined = new AbortController();
    group.onJoin = () => joined.abort();
    await pause(lingerMs, AbortSignal.any([joined.signal, group.closing, signal]));
  }

  /** The container goes: to be awaited before its task is deleted. Idempotent. */
  async leave(): Promise<void> {
    if (this.#state === "left") return;
    const was = this.#state;
    this.#state = "left";
    if (was === "creating") {
      if (this.#group.created === 0) this.#group.over = true;
      return this.#creationEnded();
    }
    // Those being created keep the shim alive once they are there; until then this one must.
    while (this.#group.created === 1 && this.#group.creating > 0) await this.#group.settled();
    if (--this.#group.created === 0) this.#group.over = true;
  }

  #creationEnded(): void {
    this.#group.creating--;
    this.#group.wake();
  }
}
