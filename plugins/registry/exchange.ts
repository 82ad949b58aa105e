import type { IncomingHttpHeaders } from "node:http";
import type { StreamedBody } from "./send-body.ts";

/** A request to send. */
export interface Exchange {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | StreamedBody;
  /** How long the answer may take once the request went out, in milliseconds; default `responseTimeoutMs`. */
  readonly answerTimeoutMs?: number;
  readonly signal: AbortSignal;
  /** How often a GET or HEAD is sent at most; default: the setting `tries`. */
  readonly tries?: number;
  /** True to wait for a host that is away for the moment as well: something of it was received before. */
  readonly isPatient?: boolean;
}

/** What came back: status and headers, and the body when somebody reads it. One of the last three must be called. */
export interface Answer {
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  /** The body, with back-pressure. Rejects when it stands still for too long, breaks off, or the signal fires. */
  chunks(): AsyncIterable<Uint8Array>;
  /** The whole body; an error when it is longer than the limit or takes more than twice the idle time. */
  whole(limitBytes: number): Promise<Uint8Array>;
  /** A text of the answer without what the request was secret about: a server may send back what it was shown. */
  redact(text: string): string;
  /** Drops the rest of the body; the connection is kept only if that is short. */
  discard(): void;
}

/** An address, relative to another one if need be; undefined when it is none. */
export function parseUrl(text: string, base?: URL): URL | undefined {
  return URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
}
