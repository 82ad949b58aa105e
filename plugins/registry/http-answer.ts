import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { internal, invalid } from "../../core/support/errors.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { takerOf } from "./read-ahead.ts";
import { withoutSecrets } from "./secrets.ts";

/** A body up to this size is read to its end so that its connection can be used again, in bytes. */
const shortBodyBytes = 16 * 1024;

/** An answer that node:http is receiving. */
export class HttpAnswer implements Answer {
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly #response: IncomingMessage;
  readonly #idleTimeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, response: IncomingMessage, idleTimeoutMs: number) {
    this.url = exchange.url;
    this.status = response.statusCode ?? 0;
    this.statusText = response.statusMessage ?? "";
    this.headers = response.headers;
    this.#response = response;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#signal = exchange.signal;
    this.#exchange = exchange;
    response.on("error", () => {});
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const response = this.#response;
    const abort = () => response.destroy(this.#signal.reason);
    if (this.#signal.aborted) abort();
    this.#signal.addEventListener("abort", abort, { once: true });
    const idle = new IdleWatch(this.#idleTimeoutMs, () => {
      response.destroy(internal(`${this.url.host} sent nothing for ${this.#idleTimeoutMs} ms`));
    });
    const taker = takerOf(response.socket);
    try {
      const chunks = response[Symbol.asyncIterator]();
      for (;;) {
        idle.waiting = true;
        if (response.readableLength === 0) taker.waits();
        const next = await chunks.next();
        idle.waiting = false;
        if (next.done) break;
        const chunk = next.value as Uint8Array;
        taker.took(chunk.length);
        yield chunk;
      }
      if (!response.complete) throw this.#brokenOff();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw (error as NodeJS.ErrnoException).code === "ECONNRESET" ? this.#brokenOff(error) : error;
    } finally {
      idle.stop();
      this.#signal.removeEventListener("abort", abort);
      if (!response.complete) response.destroy();
    }
  }

  async whole(limitBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    const started = Date.now();
    let size = 0;
    for await (const chunk of this.chunks()) {
      size += chunk.length;
      // A byte now and then is never idle, and never done.
      if (Date.now() - started > 2 * this.#idleTimeoutMs) {
        throw internal(`${this.url.host} takes too long to send its answer`);
      }
      if (size > limitBytes) throw invalid(`${this.url.host} sent an answer larger than ${limitBytes} bytes`);
      parts.push(chunk);
    }
    return Buffer.concat(parts);
  }

  redact(text: string): string {
    return withoutSecrets(this.#exchange, text);
  }

  discard(): void {
    const response = this.#response;
    if (!(Number(this.headers["content-length"]) <= shortBodyBytes)) return void response.destroy();
    const late = setTimeout(() => response.destroy(), this.#idleTimeoutMs).unref();
    response.once("close", () => clearTimeout(late));
    response.resume();
  }

  #brokenOff(cause?: unknown): Error {
    return internal(`unexpected EOF: ${this.url.host} broke off its answer`, cause);
  }
}

/** One timer for a whole body: a timer for each chunk would cost more than the chunk. */
class IdleWatch {
  #waitingSince = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number, whenIdle: () => void) {
    this.#timer = setInterval(() => {
      if (this.#waitingSince > 0 && performance.now() - this.#waitingSince >= timeoutMs) whenIdle();
    }, Math.max(10, timeoutMs / 4));
  }

  /** Only time spent waiting for the other side counts, not the reader's. */
  set waiting(is: boolean) {
    this.#waitingSince = is ? performance.now() : 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
