import { cString, libc } from "./deno-libc.ts";
import { Epoll, readable, writable } from "./epoll.ts";
import { chunkBytes, type ChunkSink, type PipeReader, type PipeSystem, type PipeWriter } from "./pipes.ts";

const readOnly = 0;
const readWrite = 2;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const setPipeSize = 1031;
const pipeBytes = 1024 * 1024;
/** Reads in a row before other pipes get their turn. */
const fairReads = 16;

let shared: Epoll | undefined;
const epoll = () => shared ??= new Epoll();
const scratch = new Uint8Array(chunkBytes);

/** Pipes on Deno, which offers no polling of descriptors: one epoll for all of them, through the C library. */
export const denoPipes: PipeSystem = {
  make(paths) {
    for (const path of paths) {
      if (libc().mkfifo(cString(path), 0o600) < 0) {
        return Promise.reject(new Error(`the pipe ${path} cannot be made`));
      }
    }
    return Promise.resolve();
  },
  openReader: (path) => new DenoPipeReader(open(path, readOnly)),
  // Opened for both directions, an open never waits for a reader and a write never raises SIGPIPE.
  openWriter: (path) => new DenoPipeWriter(open(path, readWrite)),
};

function open(path: string, direction: number): number {
  const descriptor = libc().open(cString(path), direction | nonBlocking | closeOnExec, 0);
  if (descriptor < 0) throw new Error(`the pipe ${path} cannot be opened`);
  // A bigger pipe means fewer wake-ups; a refusal (the user's pipe quota) costs nothing but those.
  libc().fcntl(descriptor, setPipeSize, pipeBytes);
  return descriptor;
}

/** Watches a descriptor; one that cannot be watched is closed. */
function polled(descriptor: number, ready: () => void): number {
  try {
    epoll().add(descriptor, ready);
    return descriptor;
  } catch (error) {
    libc().close(descriptor);
    throw error;
  }
}

class DenoPipeReader implements PipeReader {
  readonly #descriptor: number;
  #closed = false;
  #sink: ChunkSink = () => {};
  #ended: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(descriptor: number) {
    this.#descriptor = polled(descriptor, () => this.#pump());
  }

  drain(sink: ChunkSink): Promise<void> {
    this.#sink = sink;
    return new Promise((resolve, reject) => {
      this.#ended = { resolve, reject };
      if (this.#closed) resolve();
      // Never read before epoll says so: a pipe without a writer reads as ended.
      else epoll().arm(this.#descriptor, readable);
    });
  }

  async #pump(): Promise<void> {
    try {
      for (let reads = 0; reads < fairReads && !this.#closed; reads++) {
        const length = Number(libc().read(this.#descriptor, scratch, BigInt(chunkBytes)));
        if (length === 0) return this.close();
        if (length < 0) break;
        const taken = this.#sink(scratch.slice(0, length));
        if (taken) await taken;
      }
      if (!this.#closed) epoll().arm(this.#descriptor, readable);
    } catch (error) {
      this.#ended?.reject(error);
      this.close();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    epoll().remove(this.#descriptor);
    libc().close(this.#descriptor);
    this.#ended?.resolve();
  }
}

class DenoPipeWriter implements PipeWriter {
  readonly #descriptor: number;
  #closed = false;
  #queue = Promise.resolve();
  #wakeUp: () => void = () => {};

  constructor(descriptor: number) {
    this.#descriptor = polled(descriptor, () => this.#wakeUp());
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#queue = this.#queue.then(() => this.#writeAll(chunk));
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0 && !this.#closed) {
      const written = Number(libc().write(this.#descriptor, rest, BigInt(rest.length)));
      if (written > 0) rest = rest.subarray(written);
      else await this.#room();
    }
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve;
      epoll().arm(this.#descriptor, writable);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    epoll().remove(this.#descriptor);
    libc().close(this.#descriptor);
    this.#wakeUp();
  }
}
