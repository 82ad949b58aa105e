import type { IncomingMessage, ServerResponse } from "node:http";
import type { BodySource } from "./body.ts";
import { hijackResponse } from "./hijack-response.ts";
import { Intake } from "./intake.ts";
import { cut } from "./send.ts";
import type { HijackReply, Transport } from "./transport.ts";
import type { Wire } from "./wire.ts";

/** Bytes of an unread body that are let run out before the connection is cut, so that the client reads the answer. */
const mostDiscardedBytes = 16 * 1024 * 1024;
/** How long such a body may stand still, in milliseconds. */
const discardIdleMs = 10_000;

/** An exchange over node:http's own request and response: everything that is not an upgrade. */
export class PlainTransport implements Transport {
  readonly message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #wire: Wire;
  #uninvited: boolean;
  #intake: Intake | undefined;

  /** @param uninvited the client sent `Expect: 100-continue` and waits */
  constructor(wire: Wire, message: IncomingMessage, response: ServerResponse, uninvited: boolean) {
    this.message = message;
    this.#response = response;
    this.#wire = wire;
    this.#uninvited = uninvited;
  }

  get answered(): boolean {
    return this.#response.headersSent || this.#response.destroyed;
  }

  get bodyPending(): boolean {
    const { complete, headers } = this.message;
    if (complete || this.#uninvited) return false;
    return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  }

  response(): ServerResponse {
    // Whether an uninvited body still comes is up to the client: the connection cannot be used again.
    if (this.#uninvited) this.#response.shouldKeepAlive = false;
    return this.#response;
  }

  body(): BodySource {
    return this.#intake ??= new Intake(this.message);
  }

  invite(): void {
    if (!this.#uninvited) return;
    this.#uninvited = false;
    if (!this.answered) this.#response.writeContinue();
  }

  async hijack(reply: HijackReply, signal: AbortSignal): Promise<void> {
    this.invite();
    const input = this.#intake ??= new Intake(this.message);
    await hijackResponse(this.#wire, this.response(), reply, { input, signal });
  }

  abort(reason: Error): void {
    this.#intake?.fail(reason);
  }

  discardRest(): void {
    this.#intake?.discard();
    if (this.bodyPending) this.#discardWithinBounds();
    else this.#end();
  }

  #discardWithinBounds(): void {
    const { message } = this;
    const cutOff = () => cut(message.socket);
    let bytes = 0;
    const timer = setTimeout(cutOff, discardIdleMs);
    message.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > mostDiscardedBytes) cutOff();
      else timer.refresh();
    });
    const done = () => {
      clearTimeout(timer);
      this.#end();
    };
    message.once("end", done);
    message.once("close", done);
    message.resume();
  }

  #end(): void {
    if (this.#response.headersSent && !this.#response.writableEnded) this.#response.end();
  }
}
