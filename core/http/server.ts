import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Token } from "../kernel/scope.ts";
import { pause } from "../support/deadline.ts";
import type { Logger } from "../support/logger.ts";
import { ClientGone } from "./client-gone.ts";
import { Exchange, type ExchangeContext } from "./exchange.ts";
import type { HttpLimits } from "./limits.ts";
import { PlainTransport } from "./plain-transport.ts";
import { refusalOf } from "./refusal.ts";
import type { RouteTable } from "./route-table.ts";
import { bindSocket, type BoundSocket, type SocketAccess } from "./socket.ts";
import type { Transport } from "./transport.ts";
import { UpgradeTransport } from "./upgrade-transport.ts";
import { Wire } from "./wire.ts";

/** Requests in progress, on average over the connections that a job may have; more come only of a flood. */
const livePerConnection = 4;

/** What one job's socket needs. */
export interface ServeOptions extends SocketAccess {
  /** Absolute, at most 107 bytes; its directory exists. */
  readonly socketPath: string;
  readonly table: RouteTable;
  /** Finds the object behind a route's handler token, in the job's scope. Asked once a route. */
  readonly handlers: (token: Token<unknown>) => unknown;
  readonly limits: HttpLimits;
  /** The job's: when it fires, every running request's signal fires. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The `Server` header, `Berth/0.1.0 (linux)`. */
  readonly serverHeader: string;
}

/** The Engine API on one socket. */
export interface ApiServer {
  readonly socketPath: string;
  /**
   * Stops accepting before it returns, lets running requests end, and cuts those that have not after `drainMs`
   * milliseconds. Idempotent. Does not fire any signal: whoever closes the job does that next.
   */
  close(drainMs: number): Promise<void>;
}

/**
 * Serves the Engine API on a Unix socket.
 *
 * Errors: a path that is too long or occupied, or a directory that is not there, each naming the path.
 */
export async function serveApi(options: ServeOptions): Promise<ApiServer> {
  const server = new SocketServer(options);
  await server.open();
  return server;
}

class SocketServer implements ApiServer {
  readonly socketPath: string;
  readonly #options: ServeOptions;
  readonly #context: ExchangeContext;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #live = new Set<Exchange>();
  readonly #abortLive = () => {
    for (const exchange of this.#live) exchange.abort(this.#options.signal.reason);
  };
  #bound: BoundSocket | undefined;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(options: ServeOptions) {
    const { socketPath, table, handlers, limits, log, serverHeader } = options;
    this.socketPath = socketPath;
    this.#options = options;
    this.#context = { table, handlers, limits, log, wire: new Wire(serverHeader), calls: new Map() };
    this.#server = createServer({
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headerTimeoutMs,
      connectionsCheckingInterval: Math.min(15_000, Math.ceil(limits.headerTimeoutMs / 2)),
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // A body may take any time as long as it does not stand still; body.ts sees to that.
      requestTimeout: 0,
      requireHostHeader: false,
    });
  }

  async open(): Promise<void> {
    const server = this.#server;
    server.on("connection", (socket) => this.#admit(socket));
    server.on("request", (message, response) => this.#request(message, response, false));
    server.on("checkContinue", (message, response) => this.#request(message, response, true));
    server.on(
      "checkExpectation",
      ({ socket }) => this.#refuse(socket, 417, "the only expectation known is 100-continue"),
    );
    server.on("upgrade", (message, socket, head) => this.#upgrade(message, socket, head));
    server.on("connect", (_message, socket) => this.#refuse(socket, 404, "page not found"));
    server.on("clientError", (error, socket) => this.#clientError(error, socket));
    this.#bound = await bindSocket(server, this.socketPath, this.#options);
    this.#options.signal.addEventListener("abort", this.#abortLive);
  }

  close(drainMs: number): Promise<void> {
    return this.#closing ??= this.#close(drainMs);
  }

  async #close(drainMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#bound?.release();
    this.#server.closeIdleConnections();
    const over = pause(drainMs);
    await Promise.race([this.#idle(), over]);
    for (const socket of this.#sockets) socket.destroySoon();
    await Promise.race([closed, over]);
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#options.signal.removeEventListener("abort", this.#abortLive);
  }

  #idle(): Promise<void> {
    if (this.#live.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle = resolve);
  }

  #admit(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const { maxConnections } = this.#context.limits;
    if (this.#sockets.size <= maxConnections) return;
    const problem = `more than ${maxConnections} connections are open (http.maxConnections); close some`;
    this.#refuse(socket, 503, problem);
  }

  #request(message: IncomingMessage, response: ServerResponse, uninvited: boolean): void {
    if (message.socket.writableEnded) return;
    // Connections are counted; what one of them may pipeline without waiting for an answer is not.
    if (this.#live.size >= livePerConnection * this.#context.limits.maxConnections) {
      return void message.socket.destroy();
    }
    if (this.#closing) response.shouldKeepAlive = false;
    const transport = new PlainTransport(this.#context.wire, message, response, uninvited);
    const exchange = this.#start(transport);
    response.once("close", () => {
      if (!response.writableFinished) exchange.abort(new ClientGone());
    });
  }

  #upgrade(message: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    // Pipelined behind a request that is not answered yet: there is no telling the two outputs apart.
    for (const { message: other } of this.#live) if (other.socket === socket) return void socket.destroy();
    const transport = new UpgradeTransport(this.#context.wire, message, socket, head);
    const exchange = this.#start(transport);
    socket.once("close", () => exchange.abort(new ClientGone()));
  }

  #start(transport: Transport): Exchange {
    const exchange = new Exchange(this.#context, transport);
    const { signal } = this.#options;
    if (signal.aborted) exchange.abort(signal.reason);
    this.#live.add(exchange);
    void exchange.run().then(() => this.#ended(exchange));
    return exchange;
  }

  #ended(exchange: Exchange): void {
    this.#live.delete(exchange);
    if (this.#live.size === 0) this.#whenIdle?.();
  }

  #clientError(error: Error, socket: Duplex): void {
    const refusal = refusalOf(error, this.#context.limits);
    for (const { message } of this.#live) if (message.socket === socket) return void socket.destroy(error);
    if (!refusal) return void socket.destroy();
    this.#context.log.debug({ error: error.message, status: refusal.status }, "malformed request");
    this.#refuse(socket, refusal.status, refusal.message);
  }

  /** Answers on a connection that has no request, and ends it. */
  #refuse(socket: Duplex, status: number, message: string): void {
    if (!socket.writable) return;
    socket.on("error", () => {});
    socket.end(this.#context.wire.refusal(status, message), () => socket.destroy());
  }
}
