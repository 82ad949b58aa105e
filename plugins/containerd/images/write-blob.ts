import { randomUUID } from "node:crypto";
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
 * Errors: whatever `chunks` throws; gRPC's otherwise.
 */
export async function writeBlob(
  { content }: ContainerdConnection,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<boolean> {
  const ref = ingestPrefix + randomUUID();
  const source: { error?: unknown } = {};
  try {
    const answers = content.write(messages(ref, blob, source), underLease(blob.leaseId, { signal }));
    // Answers carry nothing new; reading them lets containerd go on.
    for await (const _ of answers);
    return true;
  } catch (error) {
    if (isAlreadyThere(error)) return false;
    await unlessMissing(content.abort({ ref })).catch(() => {});
    throw source.error ?? error;
  }
}

/** @param source takes what the bytes threw: gRPC would pass on its text and nothing else */
async function* messages(ref: string, { descriptor, labels, chunks }: NewBlob, source: { error?: unknown }) {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  let offset = 0n;
  yield { action: WriteAction.STAT, ref, total, expected };
  try {
    for await (const data of chunks) {
      yield { action: WriteAction.WRITE, ref, total, expected, offset, data };
      offset += BigInt(data.length);
    }
  } catch (error) {
    source.error = error;
    throw error;
  }
  yield { action: WriteAction.COMMIT, ref, total, expected, offset, labels };
}
