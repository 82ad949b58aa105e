import { pause } from "../../core/support/deadline.ts";
import { ApiError, apiErrorOf, internal, invalid } from "../../core/support/errors.ts";
import type { Descriptor } from "../images/backend.ts";
import type { Repository } from "./repository.ts";
import type { Answer } from "./transport.ts";

/** Tries in a row that brought no byte before a download is given up. */
const mostFruitlessTries = 3;

const pauseBetweenTriesMs = 500;

/**
 * A blob's bytes from an offset, resumed where a broken download stopped. Never yields more than the descriptor
 * says: an endless body ends in an error. Whoever reads verifies the digest.
 */
export async function* readBlob(
  repository: Repository,
  blob: Descriptor,
  offset: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let at = offset;
  for (let fruitless = 0; at < blob.sizeBytes;) {
    const before = at;
    try {
      for await (const chunk of readOnce(repository, blob, at, signal)) {
        at += chunk.length;
        if (at > blob.sizeBytes) throw invalid(`blob ${blob.digest} is larger than its manifest says`);
        yield chunk;
      }
      if (at < blob.sizeBytes) throw internal(`blob ${blob.digest} ended ${blob.sizeBytes - at} bytes early`);
    } catch (error) {
      signal.throwIfAborted();
      fruitless = at > before ? 0 : fruitless + 1;
      if (!mayPass(error) || fruitless >= mostFruitlessTries) throw error;
      await pause(pauseBetweenTriesMs * fruitless, signal);
    }
  }
}

/** Refusals stay refusals; broken connections and overloaded servers may get better. */
function mayPass(error: unknown): boolean {
  const known: ApiError | undefined = apiErrorOf(error);
  return known === undefined || known.kind === "internal" || known.kind === "unavailable";
}

async function* readOnce(
  repository: Repository,
  blob: Descriptor,
  offset: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (offset > 0) headers.range = `bytes=${offset}-`;
  const answer = await repository.get(`blobs/${blob.digest}`, headers, signal);
  let skip = startOf(answer, offset);
  for await (const chunk of answer.chunks()) {
    const rest = skip > 0 ? chunk.subarray(skip) : chunk;
    skip = Math.max(0, skip - chunk.length);
    if (rest.length > 0) yield rest;
  }
}

/** How many bytes of the answer lie before the offset: a server may ignore `Range` and send everything. */
function startOf(answer: Answer, offset: number): number {
  if (answer.status !== 206) return offset;
  const start = Number(/^bytes (\d+)-/.exec(answer.headers["content-range"] ?? "")?.[1] ?? offset);
  if (start > offset) throw internal(`${answer.url.host} resumed a download at the wrong place`);
  return offset - start;
}
