import type { IncomingMessage } from "node:http";
import type { Reply } from "../kernel/reply.ts";
import type { Handler, Route } from "../kernel/route.ts";
import type { Token } from "../kernel/scope.ts";
import type { ApiVersion } from "../kernel/version.ts";
import { apiErrorOf, internal, isAbort, messageOf, unavailable } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";
import { type BodyRules, readBody, refuseTooLarge } from "./body.ts";
import { ClientGone } from "./client-gone.ts";
import type { HttpLimits } from "./limits.ts";
import { HttpRequest, type RequestSource, splitTarget } from "./request.ts";
import type { RouteTable } from "./route-table.ts";
import { shapeFor } from "./shape.ts";
import type { Transport } from "./transport.ts";
import { splitVersion } from "./version-prefix.ts";
import { answerOf, errorLine, type Pieces, type Wire } from "./wire.ts";

/** In characters. */
const longestLoggedUrl = 500;

/** What all exchanges of one server share. */
export interface ExchangeContext {
  readonly table: RouteTable;
  readonly handlers: (token: Token<unknown>) => unknown;
  readonly limits: HttpLimits;
  readonly log: Logger;
  readonly wire: Wire;
  /** The handlers of routes that were called before, bound to their objects. */
  readonly calls: Map<Route, Handler>;
}

/** One request and its response: finds the route, calls the handler, has the reply written, logs the outcome. */
export class Exchange implements RequestSource {
  readonly message: IncomingMessage;
  readonly #context: ExchangeContext;
  readonly #transport: Transport;
  readonly #startedAt = performance.now();
  #aborter: AbortController | undefined;
  #reason: Error | undefined;
  #unwinding: Promise<unknown> | undefined;
  #ended = false;

  constructor(context: ExchangeContext, transport: Transport) {
    this.message = transport.message;
    this.#context = context;
    this.#transport = transport;
  }

  /** Fires when the client is gone before the response ended, or the job closes. */
  get signal(): AbortSignal {
    if (!this.#aborter) {
      this.#aborter = new AbortController();
      if (this.#reason) this.#aborter.abort(this.#reason);
    }
    return this.#aborter.signal;
  }

  /** Ends everything that the exchange waits for; only the first reason counts, and none after the end. */
  abort(reason: Error): void {
    if (this.#reason || this.#ended) return;
    this.#reason = reason;
    this.#aborter?.abort(reason);
    this.#transport.abort(reason);
  }

  body(kind: Route["kind"]): AsyncIterable<Uint8Array> {
    const { jsonBodyBytes, requestIdleTimeoutMs, uploadIdleTimeoutMs } = this.#context.limits;
    if (kind === "json") {
      return this.#read({ idleTimeoutMs: requestIdleTimeoutMs, limitBytes: jsonBodyBytes });
    }
    return this.#read({ idleTimeoutMs: kind === "stream" ? uploadIdleTimeoutMs : 0 });
  }

  jsonBody(): AsyncIterable<Uint8Array> {
    refuseTooLarge(this.#declaredBytes(), this.#context.limits.jsonBodyBytes);
    return this.body("json");
  }

  /** Serves the request. Settles when the response was handed over and the handler has ended; never rejects. */
  async run(): Promise<void> {
    try {
      await this.#serve();
      this.#logDone();
    } catch (error) {
      this.#fail(error);
    }
    this.#transport.discardRest();
    if (this.#unwinding) await this.#unwinding;
    this.#ended = true;
  }

  async #serve(): Promise<void> {
    const { path: fullPath, query } = splitTarget(this.message.url ?? "/");
    const { path, version } = splitVersion(fullPath);
    const match = this.#context.table.match(this.message.method ?? "GET", path, version);
    if (match.kind === "refused") throw match.error;
    const { route, params } = match;
    if (route.kind === "json") refuseTooLarge(this.#declaredBytes(), this.#context.limits.jsonBodyBytes);
    const request = new HttpRequest(this, route.kind, { path, query, version, params });
    const reply = await this.#handler(route)(request);
    await this.#send(reply, route, version);
  }

  #handler(route: Route): Handler {
    const known = this.#context.calls.get(route);
    if (known) return known;
    const target = this.#context.handlers(route.handler) as Readonly<Record<string, unknown>> | undefined;
    const method = target?.[route.call];
    if (typeof method !== "function") {
      throw internal(`${route.method} ${route.path}: ${route.handler.name} has no method ${route.call}`);
    }
    const handler = method.bind(target) as Handler;
    this.#context.calls.set(route, handler);
    return handler;
  }

  async #send(reply: Reply, route: Route, version: ApiVersion): Promise<void> {
    if (reply.kind === "hijack") return await this.#transport.hijack(reply, this.signal);
    if (reply.kind === "stream" || reply.kind === "lines") {
      return await this.#sendPieces(reply, route, version);
    }
    if (this.#transport.answered) throw new ClientGone();
    const { wire } = this.#context;
    const to = this.#transport;
    if (reply.kind === "empty") return wire.whole(to, reply.status, undefined, "", reply.headers);
    if (reply.kind === "text") {
      return wire.whole(to, reply.status, "text/plain; charset=utf-8", reply.body, reply.headers);
    }
    wire.json(to, reply.status, shapeFor(route, version, reply.body), reply.headers);
  }

  async #sendPieces(
    reply: Reply & { kind: "stream" | "lines" },
    route: Route,
    version: ApiVersion,
  ): Promise<void> {
    const response = this.#transport.response();
    if (this.message.method === "HEAD") {
      this.#context.wire.begin(response, reply.status, typeOf(reply), reply.headers);
      response.end();
      return;
    }
    const pieces = reply.kind === "lines"
      ? linesOf(reply, (line) => `${JSON.stringify(shapeFor(route, version, line))}\n`)
      : bytesOf(reply);
    try {
      if (response.destroyed) throw new ClientGone();
      await this.#context.wire.pieces(response, pieces as Pieces<unknown>, this.signal);
    } finally {
      // Not awaited before the answer: a generator that waits for something ends only when that does.
      this.#unwinding = unwind(pieces.body);
    }
  }

  async *#read(rules: BodyRules): AsyncGenerator<Uint8Array> {
    this.#transport.invite();
    yield* readBody(this.#transport.body(), rules);
  }

  #declaredBytes(): number {
    return Number(this.message.headers["content-length"] ?? 0);
  }

  #fail(error: unknown): void {
    if (this.#reason instanceof ClientGone) return this.#logDone(true);
    const answer = this.#reason && isClosing(error, this.#reason) ? unavailable("the job is closing") : error;
    if (answerOf(answer).status === 500) this.#logFault(error);
    if (!this.#transport.answered) this.#context.wire.error(this.#transport, answer);
    this.#logDone(undefined, messageOf(error));
  }

  /** What an ApiError says is an engine's or a registry's failure; anything else is a fault of ours. */
  #logFault(error: unknown): void {
    const { method, url } = this.message;
    const fields = { method, url: startOf(url), error: messageOf(error) };
    if (apiErrorOf(error)) return this.#context.log.warn(fields, "request failed");
    const stack = error instanceof Error ? error.stack : undefined;
    this.#context.log.error({ ...fields, stack }, "request failed");
  }

  #logDone(gone?: boolean, error?: string): void {
    const { method, url } = this.message;
    const ms = Math.round(performance.now() - this.#startedAt);
    // Written out: this runs for every request, whether anybody reads it or not.
    this.#context.log.debug({ method, url: startOf(url), ms, gone, error }, "request");
  }
}

/** A client can send a quarter of a megabyte for a URL: the log keeps its start. */
const startOf = (url = "") => url.length > longestLoggedUrl ? url.slice(0, longestLoggedUrl) : url;

const isClosing = (error: unknown, reason: Error) => error === reason || isAbort(error);

const typeOf = (reply: Reply & { kind: "stream" | "lines" }) =>
  reply.kind === "stream" ? reply.contentType : "application/json";

function linesOf(reply: Reply & { kind: "lines" }, encode: (line: object) => string): Pieces<object> {
  const { status, headers, flush, body } = reply;
  const iterator = body[Symbol.asyncIterator]();
  return { status, headers, flush, contentType: typeOf(reply), body: iterator, encode, lastWords: errorLine };
}

function bytesOf(reply: Reply & { kind: "stream" }): Pieces<Uint8Array> {
  const { status, headers, flush, body, contentType } = reply;
  const iterator = body[Symbol.asyncIterator]();
  return {
    status,
    headers,
    flush,
    contentType,
    body: iterator,
    encode: (chunk) => chunk,
    lastWords: undefined,
  };
}

async function unwind(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // What it threw while it was being left has nobody to tell any more.
  }
}
