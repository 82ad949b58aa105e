import { DeadlineExceeded, within } from "../support/deadline.ts";
import { ApiError, invalid, messageOf } from "../support/errors.ts";
import type { Intake } from "./intake.ts";

/** How a body may be read. */
export interface BodyRules {
  /** How long it may stand still while somebody waits for it, in milliseconds; 0 for ever. */
  readonly idleTimeoutMs: number;
  /** Most bytes of a whole body; undefined for no limit. */
  readonly limitBytes?: number;
}

/** Where a request's bytes come from. */
export interface BodySource {
  next(): Promise<Uint8Array | undefined>;
}

/** Reads a body under its rules. Errors: 408 when it stands still, 413 when it is too large. */
export async function* readBody(source: BodySource, rules: BodyRules): AsyncGenerator<Uint8Array> {
  let total = 0;
  for (;;) {
    const chunk = await nextInTime(source, rules.idleTimeoutMs);
    if (!chunk) return;
    total += chunk.length;
    refuseTooLarge(total, rules.limitBytes);
    yield chunk;
  }
}

/** Throws 413 when so many bytes are over the limit. */
export function refuseTooLarge(bytes: number, limitBytes: number | undefined): void {
  if (limitBytes === undefined || bytes <= limitBytes) return;
  throw new ApiError("too-large", `the request body is larger than ${limitBytes} bytes (http.jsonBodyBytes)`);
}

async function nextInTime(source: BodySource, idleTimeoutMs: number): Promise<Uint8Array | undefined> {
  const next = source.next();
  if (idleTimeoutMs === 0) return await next;
  try {
    return await within("request body", idleTimeoutMs, next);
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
    next.catch(() => {});
    throw new ApiError("timeout", `no byte of the request body came for ${idleTimeoutMs} ms`, {
      cause: error,
    });
  }
}

/** Reads all of a body into one buffer. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Parses a JSON body; undefined when it is empty.
 *
 * @param contentType the request's; anything but JSON is refused in Docker's words, none at all is let pass
 */
export function parseJson<T>(bytes: Buffer, contentType: string | undefined): T | undefined {
  if (bytes.length === 0) return undefined;
  if (contentType !== undefined && !/^application\/json\s*(;|$)/i.test(contentType)) {
    throw invalid(`unsupported Content-Type header (${contentType}): must be 'application/json'`);
  }
  refuseDeep(bytes);
  const text = bytes.toString("utf8");
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw invalid(malformed(messageOf(error)), error);
  }
}

/** Recursion over anything deeper would end at the size of the stack. The parser of Docker's daemon refuses 10,000. */
const deepestJson = 1_000;
const [quote, backslash] = [0x22, 0x5c];
const opening = [0x5b, 0x7b];
const closing = [0x5d, 0x7d];

function refuseDeep(bytes: Buffer): void {
  if (bytes.length <= deepestJson) return;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) inString = !inString;
    else if (inString) at += byte === backslash ? 1 : 0;
    else if (opening.includes(byte)) depth++;
    else if (closing.includes(byte)) depth--;
    if (depth > deepestJson) throw invalid("invalid JSON: exceeded max depth");
  }
}

function malformed(problem: string): string {
  // Docker's words for this case; clients and tests match on them.
  if (/after JSON/i.test(problem)) return "unexpected content after JSON";
  return `invalid JSON: ${problem.charAt(0).toLowerCase()}${problem.slice(1)}`;
}

/** The first bytes of an upgraded connection, as many as its `Content-Length` declared; the rest stays in the intake. */
export class DeclaredBody implements BodySource {
  readonly #intake: Intake;
  #left: number;

  constructor(intake: Intake, length: number) {
    this.#intake = intake;
    this.#left = length;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined;
    const chunk = await this.#intake.next();
    if (!chunk) return undefined;
    const mine = chunk.subarray(0, this.#left);
    this.#intake.putBack(chunk.subarray(mine.length));
    this.#left -= mine.length;
    return mine;
  }
}
