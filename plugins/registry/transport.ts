/**
 * One HTTP exchange with a registry: a request out, headers back within a deadline, the body as it comes. Built on
 * node:http and node:https because certificates and authorities of one's own are options there.
 */
import {
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { ApiError, internal, invalid } from "../../core/support/errors.ts";
import { sendBody, type StreamedBody } from "./send-body.ts";
import type { Settings } from "./settings.ts";

/** Headers of an answer that are longer than this break it off, in bytes. */
const headerLimitBytes = 64 * 1024;

export interface Exchange {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | StreamedBody;
  /** How long the answer may take once the request went out, in milliseconds; default `responseTimeoutMs`. */
  readonly answerTimeoutMs?: number;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  /** The body, with back-pressure. Rejects when it stands still for too long, breaks off, or the signal fires. */
  chunks(): AsyncIterable<Uint8Array>;
  /** The whole body; an error when it is longer than the limit or takes more than twice the idle time. */
  whole(limitBytes: number): Promise<Uint8Array>;
  /** Drops the rest of the body and its connection. */
  discard(): void;
}

/** An address, relative to another one if need be; undefined when it is none. */
export function parseUrl(text: string, base?: URL): URL | undefined {
  return URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
}

/** Sends requests; owns the connections it keeps for the next one. */
export class Transport {
  readonly #timeouts: Pick<Settings, "responseTimeoutMs" | "idleTimeoutMs">;
  readonly #http = new HttpAgent({ keepAlive: true, maxFreeSockets: 8 });
  readonly #https = new HttpsAgent({ keepAlive: true, maxFreeSockets: 8 });

  constructor(timeouts: Pick<Settings, "responseTimeoutMs" | "idleTimeoutMs">) {
    this.#timeouts = timeouts;
  }

  /** A kept connection may have been closed by the other side meanwhile: such a request is sent once more. */
  async send(exchange: Exchange): Promise<Answer> {
    try {
      return await this.#once(exchange);
    } catch (error) {
      if (!isReset(error) || !["GET", "HEAD"].includes(exchange.method)) throw translate(exchange, error);
    }
    try {
      return await this.#once(exchange);
    } catch (error) {
      throw translate(exchange, error);
    }
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #once({ method, url, headers, body, answerTimeoutMs, signal }: Exchange): Promise<Answer> {
    const { responseTimeoutMs, idleTimeoutMs } = this.#timeouts;
    const secure = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method,
        headers: { ...headers, ...lengthOf(body) },
        agent: secure ? this.#https : this.#http,
        maxHeaderSize: headerLimitBytes,
      });
      const stop = (error: Error) => {
        reject(error);
        request.destroy(error);
      };
      let late: NodeJS.Timeout | undefined;
      const expect = (timeoutMs: number) => {
        clearTimeout(late);
        late = setTimeout(() => stop(new TimedOut("no answer in time")), timeoutMs);
      };
      expect(responseTimeoutMs);
      const abort = () => stop(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      const settled = () => {
        clearTimeout(late);
        signal.removeEventListener("abort", abort);
      };
      request.once("error", (error) => (settled(), reject(error)));
      // Errors after the answer arrived belong to the body's reader.
      request.on("error", () => {});
      let answered = false;
      request.once("response", (response) => {
        answered = true;
        settled();
        // The rest of a body that nobody wants any more would keep the connection for good.
        if (!request.writableEnded) response.once("close", () => request.destroy());
        resolve(new HttpAnswer(url, response, idleTimeoutMs, signal));
      });
      if (!isStreamed(body)) return void request.end(body);
      const listener = {
        onStalled: () => answered || expect(idleTimeoutMs),
        onGoing: () => clearTimeout(late),
      };
      sendBody(request, body.open(), listener).then((sent) => {
        if (sent && !answered) expect(answerTimeoutMs ?? responseTimeoutMs);
      }, stop);
    });
  }
}

const isStreamed = (body: Exchange["body"]): body is StreamedBody =>
  typeof body === "object" && !(body instanceof Uint8Array);

function lengthOf(body: Exchange["body"]): Record<string, number> {
  const bytes = isStreamed(body) ? body.sizeBytes : body === undefined ? undefined : Buffer.byteLength(body);
  return bytes === undefined ? {} : { "content-length": bytes };
}

class TimedOut extends Error {}

class HttpAnswer implements Answer {
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly #response: IncomingMessage;
  readonly #idleTimeoutMs: number;
  readonly #signal: AbortSignal;

  constructor(url: URL, response: IncomingMessage, idleTimeoutMs: number, signal: AbortSignal) {
    this.url = url;
    this.status = response.statusCode ?? 0;
    this.statusText = response.statusMessage ?? "";
    this.headers = response.headers;
    this.#response = response;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#signal = signal;
    response.on("error", () => {});
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const response = this.#response;
    const abort = () => response.destroy(this.#signal.reason);
    if (this.#signal.aborted) abort();
    this.#signal.addEventListener("abort", abort, { once: true });
    const chunks = response[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#inTime(chunks.next());
        if (next.done) break;
        yield next.value as Uint8Array;
      }
      if (!response.complete) throw internal(`${this.url.host} broke off its answer`);
    } finally {
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

  discard(): void {
    this.#response.destroy();
  }

  async #inTime<T>(step: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(internal(`${this.url.host} sent nothing for ${this.#idleTimeoutMs} ms`));
        this.#response.destroy();
      }, this.#idleTimeoutMs);
    });
    try {
      return await Promise.race([step, late]);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException)?.code;

const isReset = (error: unknown) => ["ECONNRESET", "EPIPE"].includes(codeOf(error) ?? "");

/** Connection errors in the words of Docker's daemon, which come from Go's net package. */
function translate({ method, url, signal }: Exchange, error: unknown): unknown {
  if (signal.aborted) return signal.reason;
  // Whoever delivered the body knows what went wrong with it.
  if (error instanceof ApiError) return error;
  const name = method.charAt(0) + method.slice(1).toLowerCase();
  return internal(`${name} "${url.origin}${url.pathname}": ${inGoWords(url, error)}`, error);
}

function inGoWords(url: URL, error: unknown): string {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const dial = `dial tcp ${url.hostname}:${port}`;
  if (error instanceof TimedOut) {
    return "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)";
  }
  const code = codeOf(error);
  if (code === "ECONNREFUSED") return `${dial}: connect: connection refused`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === "EHOSTUNREACH") return `${dial}: connect: no route to host`;
  if (code === "ENETUNREACH") return `${dial}: connect: network is unreachable`;
  if (code === "HPE_HEADER_OVERFLOW") return "the headers of the answer are too large";
  return error instanceof Error ? error.message : String(error);
}
