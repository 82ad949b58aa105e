/** A small proxy: tunnels, and requests for whole addresses. It resolves every name to loopback. */
import { createServer, request as httpRequest } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Socket } from "node:net";
import type { Undo } from "../../core/support/undo.ts";
import { listen } from "../support/http-server.ts";

export interface TestProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** What it was asked for: `CONNECT host:port`, `GET http://…`, with what it was shown. */
  readonly asked: string[];
}

/** What the proxy does with a request to make a tunnel. */
export type TunnelRule = "tunnel" | "silent" | { readonly status: string };

/** Starts a proxy that stops with the test. */
export async function startProxy(
  undo: Undo,
  { rule = "tunnel", tls }: { rule?: TunnelRule; tls?: { cert: Buffer; key: Buffer } } = {},
): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = tls ? createTlsServer(tls) : createServer();
  server.on("request", (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
    const { port, pathname, search } = new URL(request.url ?? "");
    const { host } = request.headers;
    const path = `${pathname}${search}`;
    const onward = httpRequest({ host: "127.0.0.1", port, path, headers: { host } }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    onward.end();
  });
  server.on("connect", (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
    sockets.add(socket.on("error", () => {}));
    if (rule === "silent") return;
    if (rule !== "tunnel") return void socket.end(`HTTP/1.1 ${rule.status}\r\ncontent-length: 0\r\n\r\n`);
    const onward = connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.pipe(socket);
      socket.pipe(onward);
    });
    sockets.add(onward.on("error", () => socket.destroy()));
  });
  const host = await listen(undo, server);
  undo.add("the proxy's connections", () => sockets.forEach((socket) => socket.destroy()));
  return { host, asked };
}
