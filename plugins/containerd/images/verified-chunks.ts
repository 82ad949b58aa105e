import { createHash } from "node:crypto";
import { pause } from "../../../core/support/deadline.ts";
import { ApiError, internal, invalid, messageOf } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource } from "../../images/backend.ts";

/** Size of the chunks, in bytes. containerd takes 1 MiB messages half as fast again as 64 KiB ones, measured. */
const chunkBytes = 1024 * 1024;
/** Breaks in a row, without a byte between them, after which a source counts as broken. */
const maxBreaks = 3;
const firstPauseMs = 200;

/**
 * A blob's bytes from its source, in large chunks. Ends normally only when every byte came and the digest is right:
 * whoever consumes it must throw away what it got otherwise. Takes up where it was when the source breaks.
 *
 * Errors: `invalid` when the bytes are others or more than the descriptor says; `internal` when the source keeps
 * breaking; whatever ApiError the source throws; the signal's reason.
 *
 * @param onBytes called with the number of bytes that came so far
 */
export async function* verifiedChunks(
  source: ImageSource,
  blob: Descriptor,
  signal: AbortSignal,
  onBytes: (received: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash("sha256");
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
        hash.update(chunk);
        onBytes(received);
        pending.push(chunk);
        if (pending.sizeBytes >= chunkBytes) yield pending.take();
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
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest !== blob.digest) throw invalid(`${blob.digest} has other bytes than its digest says: ${digest}`);
}

/** A refusal stays one when asked again; a fault may pass. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.kind !== "unavailable" && error.kind !== "internal";
}

/** Small chunks that wait to be one large one. */
class Pending {
  sizeBytes = 0;
  #chunks: Uint8Array[] = [];

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.sizeBytes += chunk.length;
  }

  take(): Uint8Array {
    const [first] = this.#chunks;
    const whole = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.sizeBytes = 0;
    return whole;
  }
}
