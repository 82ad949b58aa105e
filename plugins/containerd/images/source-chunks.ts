import { createHash } from "node:crypto";
import { pause } from "../../../core/support/deadline.ts";
import { ApiError, internal, invalid, messageOf } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource } from "../../images/backend.ts";

/** Size of a batch, in bytes. containerd takes 1 MiB messages half as fast again as 64 KiB ones, measured. */
const batchBytes = 1024 * 1024;
/** Breaks in a row, without a byte between them, after which a source counts as broken. */
const maxBreaks = 3;
const firstPauseMs = 200;

/** Chunks that travel on together: as they came, without a copy. */
export type Batch = readonly Uint8Array[];

/**
 * A blob's bytes from its source, in large batches. Ends normally only when as many bytes came as the descriptor says;
 * whether they are the right ones is not looked at here: containerd does when it keeps them, {@link verify} when
 * nobody does. Takes up where it was when the source breaks.
 *
 * Errors: `invalid` when there are more bytes than the descriptor says; `internal` when the source keeps breaking;
 * whatever ApiError the source throws; the signal's reason.
 *
 * @param onBytes called with the number of bytes that came so far
 */
export async function* sourceChunks(
  source: ImageSource,
  blob: Descriptor,
  signal: AbortSignal,
  onBytes: (received: number) => void,
): AsyncGenerator<Batch, void, void> {
  const pending = new Pending();
  let received = 0;
  for (let breaks = 0; received < blob.sizeBytes;) {
    const before = received;
    try {
      for await (const chunk of source.read(blob, received, signal)) {
        signal.throwIfAborted();
        received += chunk.length;
        if (received > blob.sizeBytes) {
          throw invalid(`${blob.digest} has more than the ${blob.sizeBytes} bytes its manifest says`);
        }
        onBytes(received);
        pending.push(chunk);
        if (pending.sizeBytes >= batchBytes) yield pending.take();
      }
      if (received < blob.sizeBytes) throw new Error(`ended after ${received} of ${blob.sizeBytes} bytes`);
    } catch (error) {
      signal.throwIfAborted();
      breaks = received > before ? 1 : breaks + 1;
      if (isFinal(error)) throw error;
      if (breaks >= maxBreaks) throw internal(`cannot read ${blob.digest}: ${messageOf(error)}`, error);
      await pause(firstPauseMs * breaks, signal);
    }
  }
  if (pending.sizeBytes > 0) yield pending.take();
}

/** Reads all bytes; throws `invalid` when they are others than the digest says. */
export async function verify(batches: AsyncIterable<Batch>, digest: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const batch of batches) for (const chunk of batch) hash.update(chunk);
  if (`sha256:${hash.digest("hex")}` !== digest) throw otherBytes(digest);
}

/** What a source is told whose bytes do not fit their digest. */
export const otherBytes = (digest: string, cause?: unknown): ApiError =>
  invalid(`${digest} has other bytes than its digest says`, cause);

/** A refusal stays one when asked again; a fault may pass. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.kind !== "unavailable" && error.kind !== "internal";
}

/** Small chunks that wait to be a large batch. */
class Pending {
  sizeBytes = 0;
  #chunks: Uint8Array[] = [];

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.sizeBytes += chunk.length;
  }

  take(): Batch {
    const batch = this.#chunks;
    this.#chunks = [];
    this.sizeBytes = 0;
    return batch;
  }
}
