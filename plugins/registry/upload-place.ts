/**
 * One upload that a registry has open: where it goes on, and how far it is. Every answer may name another address
 * for the next request. Source: OCI distribution spec 1.1, "Pushing a blob in chunks".
 */
import { delayed } from "../../core/support/deadline.ts";
import { internal, invalid } from "../../core/support/errors.ts";
import type { Session } from "./session.ts";
import type { StreamedBody } from "./send-body.ts";
import { type Answer, type Exchange, parseUrl } from "./transport.ts";
import type { Settings } from "./settings.ts";
import { pushRefusal } from "./upload-refusal.ts";
import type { RetrySettings } from "./upload-retries.ts";

/** How long a registry may take to open an upload that nobody wants any more, in milliseconds. */
const openGraceMs = 2_000;

/** How long taking an upload back may take, in milliseconds. */
const cancelTimeoutMs = 5_000;

/** Bytes that follow on what the registry has. */
export interface UploadPiece {
  readonly body: StreamedBody;
  /** True for all bytes that there are, from the first on. */
  readonly isWhole: boolean;
}

/** What a registry made of a piece. */
export type Appended =
  | { readonly outcome: "taken"; readonly told: number | undefined }
  | { readonly outcome: "gone" }
  | { readonly outcome: "too-large"; readonly refusal: Error };

type Sent = Pick<Exchange, "method" | "headers" | "body" | "answerTimeoutMs" | "tries">;

/** How patient uploads are. */
export type UploadSettings = RetrySettings & Pick<Settings, "commitTimeoutMs">;

/** What an upload's requests go through. */
export interface UploadParts {
  readonly session: Session;
  readonly settings: UploadSettings;
}

export class UploadPlace {
  readonly #parts: UploadParts;
  #url: URL;
  /** How many bytes the registry has, as far as it told. */
  offset = 0;
  /** The smallest piece that the registry takes but for the last, in bytes. Source: `OCI-Chunk-Min-Length`. */
  readonly leastPieceBytes: number;

  private constructor(parts: UploadParts, url: URL, leastPieceBytes: number) {
    this.#parts = parts;
    this.#url = url;
    this.leastPieceBytes = leastPieceBytes;
  }

  /** The host that the next request goes to. */
  get host(): string {
    return this.#url.host;
  }

  /** Opens an upload. */
  static async open(parts: UploadParts, uploads: URL, signal: AbortSignal): Promise<UploadPlace> {
    const { place } = await UploadPlace.ask(parts, uploads, signal);
    if (!place) throw internal(`${uploads.host} answered 201 to a request for an upload`);
    return place;
  }

  /**
   * Asks for an upload, or for a blob to be mounted: then there may be no upload. Not cut when the signal fires: an
   * upload whose address is not known cannot be taken back.
   */
  static async ask(
    parts: UploadParts,
    url: URL,
    signal: AbortSignal,
  ): Promise<{ answer: Answer; place?: UploadPlace }> {
    signal.throwIfAborted();
    const cut = delayed(signal, openGraceMs);
    try {
      const headers = { "content-type": "application/octet-stream" };
      const request = { method: "POST", url, headers, body: "", signal: cut.signal } as const;
      const answer = await accepted(await parts.session.request(request), [201, 202]);
      const place = answer.status === 202 ? UploadPlace.#of(parts, answer) : undefined;
      if (signal.aborted) await place?.cancel();
      signal.throwIfAborted();
      return { answer, place };
    } finally {
      cut.release();
    }
  }

  /** The upload that an answer says was opened. */
  static #of(parts: UploadParts, answer: Answer): UploadPlace {
    const least = Number(answer.headers["oci-chunk-min-length"] ?? 0);
    const leastPieceBytes = Number.isSafeInteger(least) && least > 0 ? least : 0;
    return new UploadPlace(parts, nextAddress(answer), leastPieceBytes);
  }

  /**
   * Sends bytes that follow on what is there. Returns how many bytes the registry says it has then, undefined when
   * it does not say.
   */
  async append({ body, isWhole }: UploadPiece, signal: AbortSignal): Promise<Appended> {
    // A whole blob goes out as Docker sends it: registries that know no pieces take that too.
    const range = isWhole ? {} : contentRange(this.offset, body);
    const headers = { "content-type": "application/octet-stream", ...range };
    const { commitTimeoutMs } = this.#parts.settings;
    const sent = { method: "PATCH", headers, body, answerTimeoutMs: commitTimeoutMs } as const;
    const answer = await this.#send(sent, signal);
    if (isGone(answer)) return answer.discard(), { outcome: "gone" };
    if (answer.status === 413) return { outcome: "too-large", refusal: await pushRefusal(answer) };
    this.#movedOn(await accepted(answer, [202, 204]));
    return { outcome: "taken", told: rangeEnd(answer) };
  }

  /** Asks the registry how far the upload is; false when it has none any more, or does not tell. */
  async locate(sentBytes: number, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#send({ method: "GET", headers: {}, tries: 1 }, signal);
    if (answer.status >= 400 && answer.status < 429) return answer.discard(), false;
    this.#movedOn(await accepted(answer, [202, 204]));
    const told = rangeEnd(answer);
    if (told === undefined) return false;
    this.offset = checkOffset(this.#url.host, told, sentBytes);
    return true;
  }

  /** Closes the upload: from now on the registry has the blob. False when it has no such upload any more. */
  async commit(digest: string, body: StreamedBody | undefined, signal: AbortSignal): Promise<boolean> {
    const url = new URL(this.#url);
    url.searchParams.set("digest", digest);
    const range = body && this.offset > 0 ? contentRange(this.offset, body) : {};
    const answer = await this.#parts.session.request({
      method: "PUT",
      url,
      headers: { "content-type": "application/octet-stream", ...range },
      body: body ?? "",
      answerTimeoutMs: this.#parts.settings.commitTimeoutMs,
      signal,
    });
    if (isGone(answer)) return answer.discard(), false;
    await accepted(answer, [201, 202, 204]);
    checkDigest(answer, digest);
    return true;
  }

  /** Takes the upload back. Never rejects: a registry that is told nothing forgets it some day. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(cancelTimeoutMs);
    await this.#send({ method: "DELETE", headers: {} }, signal).then((answer) => answer.discard(), () => {});
  }

  #send(sent: Sent, signal: AbortSignal): Promise<Answer> {
    return this.#parts.session.request({ ...sent, url: this.#url, signal });
  }

  #movedOn(answer: Answer): void {
    if (answer.headers.location !== undefined) this.#url = nextAddress(answer);
  }
}

/** The answer, read to its end so that its connection serves the next request; the refusal when it is none of these. */
export async function accepted(answer: Answer, statuses: readonly number[]): Promise<Answer> {
  if (!statuses.includes(answer.status)) throw await pushRefusal(answer);
  await answer.whole(64 * 1024);
  return answer;
}

/** Checks what the registry says it stored. */
export function checkDigest(answer: Answer, digest: string): void {
  const told = answer.headers["docker-content-digest"];
  if (told === undefined || told === digest || !String(told).startsWith("sha256:")) return;
  throw invalid(`${answer.url.host} was sent ${digest} and says it stored ${String(told).slice(0, 100)}`);
}

const isGone = ({ status }: Answer) => status === 404 || status === 410;

/** An upload may go on at another host, but never without TLS what began with it. */
function nextAddress({ url, headers: { location } }: Answer): URL {
  const next = location === undefined ? undefined : parseUrl(location, url);
  if (!next || !/^https?:$/.test(next.protocol) || next.username || next.password) {
    throw internal(`${url.host} does not say where an upload goes on`);
  }
  if (url.protocol === "https:" && next.protocol === "http:") {
    throw invalid(`${url.host} wants an upload to go on over plain http, which is refused`);
  }
  return next;
}

/** The number of bytes that a `Range: 0-N` says are there. `0-0` is one byte or none, and so tells nothing. */
function rangeEnd({ headers: { range } }: Answer): number | undefined {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(String(range ?? ""));
  return match && Number(match[1]) > 0 ? Number(match[1]) + 1 : undefined;
}

function contentRange(offset: number, { sizeBytes }: StreamedBody): Record<string, string> {
  return sizeBytes ? { "content-range": `${offset}-${offset + sizeBytes - 1}` } : {};
}

/** A registry cannot have more than it was sent. */
export function checkOffset(host: string, told: number, sentBytes: number): number {
  if (told <= sentBytes) return told;
  throw invalid(`${host} says it has ${told} bytes of an upload that sent ${sentBytes}`);
}
