import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultHttpLimits, type HttpLimits } from "../../core/http/limits.ts";
import { RouteTable } from "../../core/http/route-table.ts";
import { type ApiServer, serveApi, type ServeOptions } from "../../core/http/server.ts";
import type { Handler, Method, Route } from "../../core/kernel/route.ts";
import { token } from "../../core/kernel/scope.ts";
import type { Undo } from "../../core/support/undo.ts";
import { silent } from "../../core/support/logger.ts";

const handlerToken = token<Record<string, Handler>>("test.handler");

/** A route under test: `GET /x`, its kind, and what answers. */
export type TestRoute =
  & { at: `${Method} /${string}`; answer: Handler }
  & Partial<Pick<Route, "kind" | "since" | "until" | "shapes">>;

/** A temporary directory that goes with the test. */
export async function temporaryDir(undo: Undo): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-http-"));
  undo.add("temporary directory", () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Routes and the object that answers them, as a plugin would bring them. */
export function asPlugin(
  routes: readonly TestRoute[],
): { table: RouteTable; handler: Record<string, Handler> } {
  const handler = Object.fromEntries(routes.map(({ answer }, at) => [`call${at}`, answer]));
  const loaded = routes.map(({ at, kind = "json", since, until, shapes }, index) => {
    const [method, path] = at.split(" ") as [Method, string];
    const route: Route = {
      method,
      path,
      kind,
      since,
      until,
      shapes,
      handler: handlerToken as Route["handler"],
      call: `call${index}`,
    };
    return { plugin: "test", route };
  });
  return { table: new RouteTable(loaded, new Map()), handler };
}

/** A running server with a few ways to talk to it. */
export interface Served {
  readonly server: ApiServer;
  readonly socketPath: string;
  readonly job: AbortController;
}

/** Serves routes on a socket of their own until the test ends. */
export async function serve(
  undo: Undo,
  routes: readonly TestRoute[],
  { limits, ...options }: Partial<Omit<ServeOptions, "limits">> & { limits?: Partial<HttpLimits> } = {},
): Promise<Served> {
  const dir = await temporaryDir(undo);
  const job = new AbortController();
  const { table, handler } = asPlugin(routes);
  const server = await serveApi({
    socketPath: join(dir, "d.sock"),
    table,
    handlers: () => handler,
    limits: { ...defaultHttpLimits, ...limits },
    signal: job.signal,
    log: silent,
    serverHeader: "Berth/test (linux)",
    ...options,
  });
  undo.add("server", () => server.close(0));
  return { server, socketPath: server.socketPath, job };
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** One request over a connection of its own. */
export function ask(
  { socketPath }: { socketPath: string },
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Uint8Array } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => text += chunk);
      response.on(
        "end",
        () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** A bare connection: sends what it is told, remembers what it gets. */
export class Wire {
  readonly socket: Socket;
  received = "";
  ended = false;
  closed = false;

  constructor(undo: Undo, { socketPath }: { socketPath: string }, firstBytes = "") {
    this.socket = connect({ path: socketPath, allowHalfOpen: true });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => this.received += text);
    this.socket.on("end", () => this.ended = true);
    this.socket.on("close", () => this.closed = true);
    this.socket.on("error", () => {});
    if (firstBytes) this.socket.write(firstBytes);
    undo.add("connection", () => {
      this.socket.destroy();
    });
  }

  /** Waits until the received text has this in it, or the other end closed when undefined. */
  async until(wanted?: string | RegExp, timeoutMs = 10_000): Promise<string> {
    const end = Date.now() + timeoutMs;
    const there = () =>
      wanted === undefined
        ? this.ended || this.closed
        : typeof wanted === "string"
        ? this.received.includes(wanted)
        : wanted.test(this.received);
    while (!there()) {
      if (Date.now() > end) {
        throw new Error(`waited for ${wanted ?? "the end"}, got ${JSON.stringify(this.received)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.received;
  }
}

/** The head of a request that wants to take the connection over. */
export const upgradeHead = (path: string, more = "", protocol = "tcp"): string =>
  `POST ${path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${more}\r\n`;
