/** Servers on free loopback ports that stop with the test, whatever connections they still have. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Server } from "node:net";
import type { Undo } from "../../core/support/undo.ts";

export type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves plain http until the test ends; returns `127.0.0.1:PORT`. */
export function serve(undo: Undo, handle: Handle): Promise<string> {
  return listen(undo, createServer(handle));
}

type Closable = Server & { closeAllConnections(): void };

/** Has a server listen until the test ends; returns `127.0.0.1:PORT`. */
export async function listen(undo: Undo, server: Closable): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.add("server", () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
