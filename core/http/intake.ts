import type { Readable } from "node:stream";
import { ClientGone } from "./client-gone.ts";

/** Bytes held for a reader that is not there yet before the sender is stopped: one socket buffer. */
const mostHeldBytes = 65_536;

/**
 * Reads a Node stream piece by piece, with back-pressure, for one reader at a time. Unlike a stream's own iterator it
 * can be left and taken up again, and leaving it destroys nothing. It listens from the start: bytes that come before
 * somebody reads are held, since Deno drops those of an upgraded socket that nobody listens to.
 */
export class Intake {
  readonly #source: Readable;
  readonly #held: Uint8Array[];
  #heldBytes = 0;
  #discarding = false;
  #outcome: { error?: Error } | undefined;
  #wake: (() => void) | undefined;

  /** @param first bytes that were read already and come before the stream's */
  constructor(source: Readable, first: readonly Uint8Array[] = []) {
    this.#source = source;
    this.#held = first.filter(({ length }) => length > 0);
    this.#heldBytes = this.#held.reduce((sum, { length }) => sum + length, 0);
    source.on("data", (chunk: Uint8Array) => this.#take(chunk));
    source.on("end", () => this.#finish({}));
    source.on("error", (error) => this.#finish({ error: new ClientGone(error) }));
    source.on("close", () => this.#finish({ error: new ClientGone() }));
  }

  /** True when everything was sent; what is held may still be read. */
  get ended(): boolean {
    return this.#outcome !== undefined && !this.#outcome.error;
  }

  /** The next bytes; undefined at the end. Rejects with ClientGone when the sender breaks off. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#held.shift();
      if (chunk) return this.#give(chunk);
      if (this.#outcome?.error) throw this.#outcome.error;
      if (this.#outcome) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Puts bytes back, to be read next. */
  putBack(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#held.unshift(chunk);
    this.#heldBytes += chunk.length;
  }

  /** Ends the reading from this side: whoever waits, and whoever reads later, gets the error. */
  fail(error: Error): void {
    this.#outcome = { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.next(); chunk; chunk = await this.next()) yield chunk;
  }

  /** Lets go of what is held and of everything that still comes: nobody is going to read it. */
  discard(): void {
    this.#discarding = true;
    this.#held.length = 0;
    this.#source.resume();
  }

  #take(chunk: Uint8Array): void {
    if (this.#discarding) return;
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= mostHeldBytes) this.#source.pause();
    this.#wake?.();
  }

  #give(chunk: Uint8Array): Uint8Array {
    this.#heldBytes -= chunk.length;
    if (this.#heldBytes < mostHeldBytes && this.#source.isPaused()) this.#source.resume();
    return chunk;
  }

  #finish(outcome: { error?: Error }): void {
    this.#outcome ??= outcome;
    this.#wake?.();
  }
}
