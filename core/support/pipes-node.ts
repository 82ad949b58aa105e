import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import type { ChunkSink, PipeReader, PipeSystem, PipeWriter } from "./pipes.ts";
import { run } from "./spawn.ts";

const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Pipes on Node: its sockets poll any non-blocking descriptor, so a pipe costs no thread. */
export const nodePipes: PipeSystem = {
  async make(paths) {
    if (paths.length > 0) await run("mkfifo", ["-m", "600", "--", ...paths]);
  },
  openReader: (path) => new NodePipeReader(openSync(path, O_RDONLY | O_NONBLOCK)),
  // Opened for both directions, an open never waits for a reader and a write never raises EPIPE.
  openWriter: (path) => new NodePipeWriter(openSync(path, O_RDWR | O_NONBLOCK)),
};

class NodePipeReader implements PipeReader {
  readonly #socket: Socket;

  constructor(descriptor: number) {
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: false });
    this.#socket.pause();
    this.#socket.on("error", () => {});
  }

  drain(sink: ChunkSink): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        socket.destroy();
        reject(error);
      };
      // "close" comes after the last "data", but not after a sink that is still busy with it.
      let busy: Promise<void> | undefined;
      socket.on("close", () => busy ? busy.then(resolve, fail) : resolve());
      socket.on("data", (chunk: Buffer) => {
        try {
          const taken = sink(chunk);
          if (!taken) return;
          socket.pause();
          busy = taken.then(() => {
            busy = undefined;
            socket.resume();
          });
          busy.catch(fail);
        } catch (error) {
          fail(error);
        }
      });
      if (socket.destroyed) resolve();
      else socket.resume();
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

class NodePipeWriter implements PipeWriter {
  readonly #socket: Socket;

  constructor(descriptor: number) {
    this.#socket = new Socket({ fd: descriptor, readable: false, writable: true });
    this.#socket.on("error", () => {});
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#socket.write(chunk, () => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }
}
