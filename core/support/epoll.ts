import { deno, libc } from "./deno-libc.ts";

const controlAdd = 1;
const controlDelete = 2;
const controlModify = 3;
const oneShot = 0x40000000;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const capacity = 128;

/** What a descriptor is waited for. */
export const readable = 0x1;
export const writable = 0x4;

/**
 * One epoll for all pipes, on Deno. One thread of the runtime's pool waits in it, however many pipes there are, and
 * only while there is one.
 */
export class Epoll {
  readonly #poll = libc().epoll_create1(closeOnExec);
  readonly #wake = libc().eventfd(0, closeOnExec | nonBlocking);
  readonly #watched = new Map<number, () => void>();
  readonly #layout = eventLayout(deno?.build.arch);
  #running = false;

  constructor() {
    libc().epoll_ctl(this.#poll, controlAdd, this.#wake, this.#event(readable, this.#wake));
  }

  /** Starts to watch a descriptor, for nothing yet: {@link arm} says for what. */
  add(descriptor: number, ready: () => void): void {
    const added = libc().epoll_ctl(this.#poll, controlAdd, descriptor, this.#event(oneShot, descriptor));
    if (added < 0) throw new Error(`descriptor ${descriptor} cannot be polled`);
    this.#watched.set(descriptor, ready);
    if (!this.#running) this.#run();
  }

  /** Calls the descriptor's `ready` once when it is readable or writable, or its other end went away. */
  arm(descriptor: number, interest: number): void {
    libc().epoll_ctl(this.#poll, controlModify, descriptor, this.#event(interest | oneShot, descriptor));
  }

  /** Stops to watch a descriptor; to be called before it is closed. */
  remove(descriptor: number): void {
    if (!this.#watched.delete(descriptor)) return;
    libc().epoll_ctl(this.#poll, controlDelete, descriptor, this.#event(0, descriptor));
    if (this.#watched.size === 0) libc().write(this.#wake, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8n);
  }

  async #run(): Promise<void> {
    this.#running = true;
    const { sizeBytes, dataOffset } = this.#layout;
    const events = new Uint8Array(capacity * sizeBytes);
    const view = new DataView(events.buffer);
    while (this.#watched.size > 0) {
      const count = await libc().epoll_wait(this.#poll, events, capacity, -1);
      for (let index = 0; index < count; index++) {
        const descriptor = view.getInt32(index * sizeBytes + dataOffset, true);
        if (descriptor === this.#wake) libc().read(this.#wake, new Uint8Array(8), 8n);
        else this.#watched.get(descriptor)?.();
      }
    }
    this.#running = false;
  }

  #event(interest: number, descriptor: number): Uint8Array {
    const event = new Uint8Array(this.#layout.sizeBytes);
    const view = new DataView(event.buffer);
    view.setUint32(0, interest, true);
    view.setInt32(this.#layout.dataOffset, descriptor, true);
    return event;
  }
}

/** `struct epoll_event` is packed on x86-64 and nowhere else. */
function eventLayout(architecture: string | undefined): { sizeBytes: number; dataOffset: number } {
  return architecture === "x86_64" ? { sizeBytes: 12, dataOffset: 4 } : { sizeBytes: 16, dataOffset: 8 };
}
