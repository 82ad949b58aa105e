/** Headers a reply adds to those on every response. */
export type ReplyHeaders = Readonly<Record<string, string>>;

/**
 * What a handler answers. Handlers return one of these and never touch the wire; one file of the http layer
 * writes them. Make them with the functions below.
 */
export type Reply =
  | { kind: "json"; status: number; body: unknown; headers?: ReplyHeaders }
  | { kind: "text"; status: number; body: string; headers?: ReplyHeaders }
  | { kind: "empty"; status: number; headers?: ReplyHeaders }
  | {
    kind: "stream";
    status: number;
    contentType: string;
    body: AsyncIterable<Uint8Array>;
    /** Send status and headers before the first chunk is there. */
    flush: boolean;
    headers?: ReplyHeaders;
  }
  | { kind: "lines"; status: number; body: AsyncIterable<object>; flush: boolean; headers?: ReplyHeaders }
  | { kind: "hijack"; contentType: string; run: (connection: Connection) => Promise<void> };

/** A hijacked connection: two independent directions. Either end can be closed before the other. */
export interface Connection {
  /** What the client sends; ends when the client closes its sending direction. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Sends bytes; resolves when the socket takes more. Rejects when the client is gone. */
  write(chunk: Uint8Array): Promise<void>;
  /** Fires when the client is gone for good, or the job closes. */
  readonly signal: AbortSignal;
}

/** A JSON object or array, status 200 unless told otherwise. */
export const json = (body: unknown, status = 200, headers?: ReplyHeaders): Reply => ({
  kind: "json",
  status,
  body,
  headers,
});

/** No body: 204 unless told otherwise. */
export const empty = (status = 204, headers?: ReplyHeaders): Reply => ({ kind: "empty", status, headers });

/** Plain text, for `/_ping`. */
export const text = (body: string, status = 200, headers?: ReplyHeaders): Reply => ({
  kind: "text",
  status,
  body,
  headers,
});

/** Bytes as they come. An error before the first chunk becomes a status; afterwards the connection is cut. */
export const stream = (
  contentType: string,
  body: AsyncIterable<Uint8Array>,
  { flush = false, status = 200, headers }: { flush?: boolean; status?: number; headers?: ReplyHeaders } = {},
): Reply => ({ kind: "stream", status, contentType, body, flush, headers });

/**
 * JSON objects, one a line: progress and events. An error before the first object becomes a status; afterwards a
 * last line `{"errorDetail":{"message"},"error"}` ends the stream, as Docker does.
 */
export const lines = (body: AsyncIterable<object>, { flush = false, status = 200 } = {}): Reply => ({
  kind: "lines",
  status,
  body,
  flush,
});

/** One JSON object that is not there yet: headers go at once, the body when the promise settles (`wait`). */
export function later(body: Promise<object>): Reply {
  // Nobody may listen until the headers are written; a rejection before that is not unhandled.
  body.catch(() => {});
  return lines(
    (async function* () {
      yield await body;
    })(),
    { flush: true },
  );
}

/**
 * Takes the connection over: `101 UPGRADED` when the client asked for an upgrade, else `200` with the request's
 * body as input. The connection ends when `run` settles.
 */
export const hijack = (contentType: string, run: (connection: Connection) => Promise<void>): Reply => ({
  kind: "hijack",
  contentType,
  run,
});
