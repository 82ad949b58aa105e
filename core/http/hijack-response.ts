import type { ServerResponse } from "node:http";
import type { Connection } from "../kernel/reply.ts";
import { cut, send } from "./send.ts";
import type { HijackReply } from "./transport.ts";
import type { Wire } from "./wire.ts";

/**
 * A takeover for a client that did not ask for an upgrade: the request's body is the input, the response's chunks are
 * the output, headers go at once. Source: Engine API, "Attach to a container", hijacking without `Upgrade`.
 */
export async function hijackResponse(
  wire: Wire,
  response: ServerResponse,
  reply: HijackReply,
  { input, signal }: Pick<Connection, "input" | "signal">,
): Promise<void> {
  wire.begin(response, 200, reply.contentType);
  response.flushHeaders();
  try {
    await reply.run({ input, signal, write: (chunk) => send(response, chunk, signal) });
    response.end();
  } catch (error) {
    cut(response.socket);
    throw error;
  }
}
