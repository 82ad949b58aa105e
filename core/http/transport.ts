import type { IncomingMessage, ServerResponse } from "node:http";
import type { Reply } from "../kernel/reply.ts";
import type { BodySource } from "./body.ts";

export type HijackReply = Reply & { kind: "hijack" };

/** How an exchange reaches its client: over node:http's own response, or over an upgraded socket. */
export interface Transport {
  readonly message: IncomingMessage;
  /** True when a response has begun, or none can be sent any more. */
  readonly answered: boolean;
  /** True while the client is still sending a body: a response that ends before would cut it off. */
  readonly bodyPending: boolean;
  /** The response to write to; asked for when there is something to write. */
  response(): ServerResponse;
  /** The request's body. */
  body(): BodySource;
  /** Says `100 Continue` to a client that waits for it before it sends the body. */
  invite(): void;
  /** Takes the connection over; settles when it is over. */
  hijack(reply: HijackReply, signal: AbortSignal): Promise<void>;
  /** Ends every wait for bytes of the client. */
  abort(reason: Error): void;
  /** Lets what the handler left unread run out, within bounds, and ends a response that waited for it. */
  discardRest(): void;
}
