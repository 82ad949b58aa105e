/**
 * Keeps TLS from reading ahead of its reader on Deno. Its TLS sockets (2.9) take in whatever the other side sends, paused
 * or not: a fast registry and a slow disk would have a whole layer in memory. So they are given a connection that hands
 * on only so much more than was taken out at the other end. Node's TLS stops by itself.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { tlsReadsAhead } from "../../core/support/runtime.ts";

/** How much may be read that nobody took yet, in bytes. */
const mostAheadBytes = 1024 * 1024;

const holders = new WeakMap<object, HeldBack>();

/** TLS over a connection that is open, or opening. */
export function secureOver(raw: Socket, options: ConnectionOptions): TLSSocket {
  // The host is who is to be there: the certificate is checked against it when there is no server name.
  const target = { ...options, port: undefined, path: undefined };
  if (!tlsReadsAhead) return connect({ ...target, socket: raw });
  const held = new HeldBack(raw);
  const socket = connect({ ...target, socket: held });
  raw.once("error", (error) => socket.destroy(error));
  holders.set(socket, held);
  return socket;
}

/** Tells of bytes that were taken out of what came over a socket, or that somebody waits for more. */
export interface Taker {
  took(bytes: number): void;
  waits(): void;
}

const nobody: Taker = { took() {}, waits() {} };

/** Whom to tell when an answer that comes over this socket is read. */
export const takerOf = (socket: object | null): Taker => (socket && holders.get(socket)) ?? nobody;

class HeldBack extends Duplex implements Taker {
  readonly #raw: Socket;
  #aheadBytes = 0;

  constructor(raw: Socket) {
    super({ allowHalfOpen: true });
    this.#raw = raw;
    raw.on("data", (chunk) => this.#pass(chunk));
    raw.on("end", () => this.push(null));
    raw.on("close", () => this.destroy());
    raw.on("error", (error) => this.destroy(error));
    this.on("error", () => {});
  }

  took(bytes: number): void {
    this.#aheadBytes = Math.max(0, this.#aheadBytes - bytes);
    if (this.#aheadBytes < mostAheadBytes / 2) this.#raw.resume();
  }

  /** Who waits has taken everything: what is counted beyond that was TLS's own, or HTTP's. */
  waits(): void {
    this.#aheadBytes = 0;
    this.#raw.resume();
  }

  #pass(chunk: Uint8Array): void {
    this.push(chunk);
    this.#aheadBytes += chunk.length;
    if (this.#aheadBytes > mostAheadBytes) this.#raw.pause();
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#raw.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#raw.destroy();
    done(error);
  }
}
