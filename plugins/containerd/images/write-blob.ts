import { randomUUID } from "node:crypto";
import { pause } from "../../../core/support/deadline.ts";
import type { Descriptor } from "../../images/backend.ts";
import { type ContainerdConnection, underLease } from "../connection.ts";
import { isAlreadyThere, unlessMissing } from "../errors.ts";
import { WriteAction } from "../gen/content_pb.ts";

/** What becomes a blob. */
export interface NewBlob {
  readonly descriptor: Pick<Descriptor, "digest" | "sizeBytes">;
  /** Labels the blob gets when it is committed. */
  readonly labels: Record<string, string>;
  /** The lease that keeps the ingest and then the blob. */
  readonly leaseId: string;
  /** The bytes. Ending normally means that they are right; throwing abandons the write. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Prefix of the names of unfinished writes, so that those a killed daemon left can be told. */
export const ingestPrefix = "berth-";

/**
 * Writes a blob into the content store; false when it got there meanwhile, with the bytes not read to their end.
 * What fails leaves no unfinished write.
 *
 * A write that is given up is ended, not cut: containerd removes a write's files while it still writes to them, and
 * then leaves some, when it is told to abort one that it has not seen the end of.
 *
 * Errors: whatever `chunks` throws; the signal's reason; gRPC's otherwise.
 */
export async function writeBlob(
  { content }: ContainerdConnection,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<boolean> {
  const ref = ingestPrefix + randomUUID();
  const source: { failure?: { readonly error: unknown } } = {};
  const cut = new AbortController();
  const end = () => void pause(endMs, cut.signal).then(() => cut.abort(signal.reason));
  signal.addEventListener("abort", end, { once: true });
  try {
    const messages = messagesOf(ref, blob, source, signal);
    const answers = content.write(messages, underLease(blob.leaseId, { signal: cut.signal }));
    // Answers carry nothing new; reading them lets containerd go on.
    for await (const _ of answers);
    if (source.failure) throw source.failure.error;
    return true;
  } catch (error) {
    if (isAlreadyThere(error)) return false;
    await unlessMissing(content.abort({ ref })).catch(() => {});
    throw source.failure?.error ?? error;
  } finally {
    signal.removeEventListener("abort", end);
    cut.abort();
  }
}

/** How long containerd may take to end a write that was given up before it is cut, in milliseconds. */
const endMs = 5_000;

/** @param source takes what the bytes threw: the messages end then, without the one that commits them */
async function* messagesOf(
  ref: string,
  { descriptor, labels, chunks }: NewBlob,
  source: { failure?: { readonly error: unknown } },
  signal: AbortSignal,
) {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  let offset = 0n;
  yield { action: WriteAction.STAT, ref, total, expected };
  try {
    for await (const data of chunks) {
      signal.throwIfAborted();
      yield { action: WriteAction.WRITE, ref, total, expected, offset, data };
      offset += BigInt(data.length);
    }
    signal.throwIfAborted();
  } catch (error) {
    source.failure = { error };
    return;
  }
  yield { action: WriteAction.COMMIT, ref, total, expected, offset, labels };
}
