import { createHash } from "node:crypto";
import { ApiError, internal, invalid, messageOf } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource } from "../../images/backend.ts";

/** Size of a batch, in bytes. containerd takes 1 MiB messages half as fast again as 64 KiB ones, measured. */
const batchBytes = 1024 * 1024;

/** Chunks that travel on together: as they came, without a copy. */
export type Batch = readonly Uint8Array[];

/**
 * A blob's bytes from its source, in large batches. Ends normally only when as many bytes came as the descriptor says;
 * whether they are the right ones is not looked at here: containerd does when it keeps them, {@link verify} when
 * nobody does.
 *
 * Errors: `invalid` when there are more bytes than the descriptor says; `internal` when there are fewer or the source
 * breaks; whatever ApiError the source throws; the signal's reason.
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
  for await (const chunk of wellSaid(source, blob, signal)) {
    signal.throwIfAborted();
    received += chunk.length;
    if (received > blob.sizeBytes) {
      throw invalid(`${blob.digest} has more than the ${blob.sizeBytes} bytes its manifest says`);
    }
    onBytes(received);
    pending.push(chunk);
    if (pending.sizeBytes >= batchBytes) yield pending.take();
  }
  if (received < blob.sizeBytes) {
    throw internal(`cannot read ${blob.digest}: ended after ${received} of ${blob.sizeBytes} bytes`);
  }
  if (pending.sizeBytes > 0) yield pending.take();
}

/** What the source sends; an error that nobody put into words says which blob could not be read. */
async function* wellSaid(source: ImageSource, blob: Descriptor, signal: AbortSignal) {
  try {
    yield* source.read(blob, 0, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof ApiError
      ? error
      : internal(`cannot read ${blob.digest}: ${messageOf(error)}`, error);
  }
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
