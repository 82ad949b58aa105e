import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { invalid } from "../support/errors.ts";
import { type BodySource, DeclaredBody } from "./body.ts";
import { hijackResponse } from "./hijack-response.ts";
import { Intake } from "./intake.ts";
import { cut, send } from "./send.ts";
import type { HijackReply, Transport } from "./transport.ts";
import type { Wire } from "./wire.ts";

/** How long a client may go on sending after the connection's output ended, in milliseconds. */
const lingerMs = 2_000;
/** How often a client that has closed its sending direction is looked for, in milliseconds. */
const probeMs = 5_000;

/** Protocols that a hijack route switches to. Other offers, such as TLS, are ignored as RFC 9110 7.8 allows. */
const protocols = ["tcp", "h2c"];

/** An exchange over the bare socket of a request with an `Upgrade` header, whatever comes of it. */
export class UpgradeTransport implements Transport {
  readonly message: IncomingMessage;
  readonly bodyPending = false;
  readonly #socket: Duplex;
  readonly #wire: Wire;
  readonly #intake: Intake;
  readonly #body: BodySource;
  #response: ServerResponse | undefined;
  #taken = false;

  /** @param head what came behind the header already */
  constructor(wire: Wire, message: IncomingMessage, socket: Duplex, head: Uint8Array) {
    this.message = message;
    this.#socket = socket;
    this.#wire = wire;
    // Deno has parsed the part of the body that came along with the header; Node leaves all of it in the head.
    const parsed = message.readableLength > 0 ? message.read() as Uint8Array | null : null;
    this.#intake = new Intake(socket, parsed ? [parsed, head] : [head]);
    this.#body = declaredBody(message, this.#intake);
  }

  get answered(): boolean {
    return this.#taken || this.#socket.destroyed || !!this.#response?.headersSent;
  }

  /** The answer to an upgrade that does not happen: an ordinary response, and the connection ends with it. */
  response(): ServerResponse {
    return this.#response ??= this.#makeResponse();
  }

  body(): BodySource {
    return this.#body;
  }

  invite(): void {
    if (/100-continue/i.test(this.message.headers.expect ?? "")) {
      this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }

  async hijack(reply: HijackReply, signal: AbortSignal): Promise<void> {
    const protocol = (this.message.headers.upgrade ?? "").toLowerCase();
    if (!protocols.includes(protocol)) {
      const input = this.#input();
      return await hijackResponse(this.#wire, this.response(), reply, { input, signal });
    }
    this.#taken = true;
    this.#socket.write(this.#wire.upgraded(reply.contentType, protocol));
    const stopProbing = this.#probe();
    try {
      await reply.run({ input: this.#input(), signal, write: (chunk) => send(this.#socket, chunk, signal) });
      await this.#finish();
      this.#socket.destroy();
    } catch (error) {
      cut(this.#socket);
      throw error;
    } finally {
      stopProbing();
    }
  }

  abort(reason: Error): void {
    this.#intake.fail(reason);
  }

  discardRest(): void {
    this.#intake.discard();
  }

  #makeResponse(): ServerResponse {
    const response = new ServerResponse(this.message);
    const socket = this.#socket;
    response.shouldKeepAlive = false;
    response.assignSocket(socket as never);
    socket.on("drain", () => response.emit("drain"));
    response.once("finish", () => socket.end(() => socket.destroy()));
    return response;
  }

  /** What follows the request: a declared body that the handler did not read is no input. */
  async *#input(): AsyncGenerator<Uint8Array> {
    const length = Number(this.message.headers["content-length"] ?? 0);
    if (length > 0) { while (await this.#body.next()) { /* skip */ } }
    yield* this.#intake;
  }

  /** Sends everything that was written, then gives the client a moment to close its side. */
  async #finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.once("close", resolve);
      this.#socket.end(resolve);
    });
    if (this.#intake.ended || this.#socket.destroyed) return;
    this.#intake.discard();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lingerMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#socket.once("end", done);
      this.#socket.once("close", done);
    });
  }

  /**
   * A client that has closed its sending direction and then goes away sends nothing to notice. Writing no bytes
   * does: the kernel answers EPIPE. Deno skips empty writes; there the next output tells.
   */
  #probe(): () => void {
    const timer = setInterval(() => {
      if (this.#intake.ended && this.#socket.writable && this.#socket.writableLength === 0) {
        this.#socket.write(new Uint8Array(0));
      }
    }, probeMs);
    timer.unref();
    return () => clearInterval(timer);
  }
}

function declaredBody({ headers }: IncomingMessage, intake: Intake): BodySource {
  if (headers["transfer-encoding"] !== undefined) return chunkedBody;
  return new DeclaredBody(intake, Number(headers["content-length"] ?? 0));
}

/** Clients announce chunks on connections that they are going to hijack and then send bare input: no body at all. */
const chunkedBody: BodySource = {
  next: () => Promise.reject(invalid("the body of an upgrade request needs a Content-Length header")),
};
