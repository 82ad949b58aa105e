import type { ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import type { ReplyHeaders } from "../kernel/reply.ts";
import { currentApiVersion } from "../kernel/version.ts";
import { abortable } from "../support/deadline.ts";
import { apiErrorOf, internal, messageOf } from "../support/errors.ts";
import { cut, drained } from "./send.ts";
import type { Transport } from "./transport.ts";

/** A body that leaves piece by piece. */
export interface Pieces<T> {
  readonly status: number;
  readonly contentType: string;
  readonly headers: ReplyHeaders | undefined;
  /** Status and headers go before the first piece is there. */
  readonly flush: boolean;
  readonly body: AsyncIterator<T>;
  readonly encode: (piece: T) => string | Uint8Array;
  /** What to send when it breaks after the first byte; undefined cuts the connection. */
  readonly lastWords: ((error: unknown) => string) | undefined;
}

const jsonType = "application/json";

/** Writes responses: the one file that knows what they look like on the wire. Shared by a server's exchanges. */
export class Wire {
  /** Names and values in turn: the form that node:http copies without looking at it. */
  readonly #common: readonly string[];
  readonly #commonText: string;

  /** @param serverHeader the `Server` header, `Berth/0.1.0 (linux)` */
  constructor(serverHeader: string) {
    this.#common = [
      "Api-Version",
      currentApiVersion.toString(),
      "Docker-Experimental",
      "false",
      "Ostype",
      "linux",
      "Server",
      serverHeader,
    ];
    this.#commonText = headerText(this.#common);
  }

  /** A JSON value and a newline, as Docker's encoder writes it. */
  json(to: Transport, status: number, body: unknown, headers?: ReplyHeaders): void {
    this.whole(to, status, jsonType, `${JSON.stringify(body)}\n`, headers);
  }

  /**
   * A body that is there as a whole, sent at once. While the request's is still coming, the response is left open:
   * the transport's discardRest ends it. A response without a body, such as 204 and 304, has no type either.
   */
  whole(
    to: Transport,
    status: number,
    contentType: string | undefined,
    body: string,
    headers?: ReplyHeaders,
  ): void {
    const all = this.#headers(contentType, headers);
    if (status !== 204 && status !== 304 && !headers?.["Content-Length"]) {
      all.push("Content-Length", String(Buffer.byteLength(body)));
    }
    const response = to.response();
    response.writeHead(status, all);
    if (!to.bodyPending) return void response.end(body);
    response.flushHeaders();
    if (body) response.write(body);
  }

  /** What went wrong, as `{"message"}`; 304 carries none. The outermost ApiError decides, anything else is a 500. */
  error(to: Transport, error: unknown): void {
    const { status, message } = answerOf(error);
    if (status === 304) this.whole(to, status, undefined, "");
    else this.json(to, status, { message });
  }

  /** Status and headers alone. */
  begin(response: ServerResponse, status: number, contentType: string, headers?: ReplyHeaders): void {
    response.writeHead(status, this.#headers(contentType, headers));
  }

  /**
   * Sends a body piece by piece, as fast as the client takes it. Throws what the body throws as long as nothing was
   * sent; afterwards the response ends with the last words, or is cut.
   *
   * @param signal ends the wait for a next piece
   */
  async pieces<T>(response: ServerResponse, pieces: Pieces<T>, signal: AbortSignal): Promise<void> {
    const begin = () => this.begin(response, pieces.status, pieces.contentType, pieces.headers);
    try {
      if (pieces.flush) {
        begin();
        response.flushHeaders();
      }
      for (;;) {
        const step = await abortable(pieces.body.next(), signal);
        if (!response.headersSent) begin();
        if (step.done) break;
        if (!response.write(pieces.encode(step.value))) await drained(response, signal);
      }
      response.end();
    } catch (error) {
      if (!response.headersSent) throw error;
      if (pieces.lastWords && !response.destroyed) response.end(pieces.lastWords(error));
      else cut(response.socket);
      throw error;
    }
  }

  /** The head of a connection that was taken over. Source: Engine API, "Attach to a container", hijacking. */
  upgraded(contentType: string, protocol: string): string {
    return `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n` +
      `${this.#commonText}\r\n`;
  }

  /** A whole response as text, for connections on which no request could be read. */
  refusal(status: number, message: string): string {
    const body = `${JSON.stringify({ message })}\n`;
    return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${this.#commonText}Content-Type: ${jsonType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
  }

  #headers(contentType: string | undefined, more: ReplyHeaders | undefined): string[] {
    const all = this.#common.slice();
    if (contentType !== undefined && !more?.["Content-Type"]) all.push("Content-Type", contentType);
    for (const name in more) all.push(name, oneLine(name, more[name] as string));
    return all;
  }
}

/** Not every runtime looks at headers that come as a list. */
function oneLine(name: string, value: string): string {
  if (/[\r\n\0]/.test(value)) throw internal(`header ${name} must not hold a line break`);
  return value;
}

/** The status and text that an error is answered with. */
export function answerOf(error: unknown): { status: number; message: string } {
  const answer = apiErrorOf(error);
  const message = answer?.message ?? messageOf(error);
  // Clients show the message and nothing else; some crash without one.
  return { status: answer?.status ?? 500, message: message || "the daemon failed and does not say why" };
}

/** The last line of a JSON stream that broke, as Docker writes it. */
export function errorLine(error: unknown): string {
  const { message } = answerOf(error);
  return `${JSON.stringify({ errorDetail: { message }, error: message })}\n`;
}

function headerText(headers: readonly string[]): string {
  let text = "";
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return text;
}
