import { internal, invalid } from "../../core/support/errors.ts";
import { pause } from "../../core/support/deadline.ts";
import type { Descriptor } from "../images/backend.ts";
import type { Repository } from "./repository.ts";
import type { Answer } from "./transport.ts";

/** Downloads in a row that brought no byte before one is given up. */
const mostFruitlessTries = 3;

/** Downloads in all: a registry that sends a byte a connection is given up some time. */
const mostTries = 100;

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
  let fruitless = 0;
  for (let tries = 1; at < blob.sizeBytes; tries++) {
    const before = at;
    // A request that fails was tried often enough; the registry is waited for once it has served something.
    const answer = await repository.get(`blobs/${blob.digest}`, signal, {
      headers: { "accept-encoding": "identity", ...(at > 0 && { range: `bytes=${at}-` }) },
      isPatient: at > offset,
    });
    try {
      for await (const chunk of bytesFrom(answer, at)) {
        at += chunk.length;
        if (at > blob.sizeBytes) throw new TooLarge();
        yield chunk;
      }
      if (at < blob.sizeBytes) throw internal(`blob ${blob.digest} ended ${blob.sizeBytes - at} bytes early`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TooLarge) throw invalid(`blob ${blob.digest} is larger than its manifest says`);
      fruitless = at > before ? 0 : fruitless + 1;
      if (fruitless >= mostFruitlessTries || tries >= mostTries) throw error;
      await pause(pauseBetweenTriesMs * fruitless, signal);
    }
  }
}

class TooLarge extends Error {}

/** The answer's bytes from an offset on: a server may ignore `Range` and send everything. */
function bytesFrom(answer: Answer, offset: number): AsyncIterable<Uint8Array> {
  const before = offset - startOf(answer, offset);
  return before > 0 ? without(before, answer.chunks()) : answer.chunks();
}

async function* without(skip: number, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    const rest = skip > 0 ? chunk.subarray(skip) : chunk;
    skip = Math.max(0, skip - chunk.length);
    if (rest.length > 0) yield rest;
  }
}

/** Where in the blob the answer starts. */
function startOf(answer: Answer, offset: number): number {
  if (answer.status !== 206) return 0;
  const start = Number(/^bytes (\d+)-/.exec(answer.headers["content-range"] ?? "")?.[1] ?? offset);
  if (start <= offset) return start;
  answer.discard();
  throw internal(`${answer.url.host} resumed a download at the wrong place`);
}
