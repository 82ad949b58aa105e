import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { delayed } from "../../../core/support/deadline.ts";
import type { Descriptor } from "../../images/backend.ts";
import { type ContainerdConnection, underLease } from "../connection.ts";
import { codeOf, isAlreadyThere, unlessMissing } from "../errors.ts";
import { WriteAction } from "../gen/content_pb.ts";
import { isForFile, largestFileBytes, syncData, writeFile } from "./ingest-file.ts";
import { type Batch, otherBytes } from "./source-chunks.ts";

/** What becomes a blob. */
export interface NewBlob {
  readonly descriptor: Pick<Descriptor, "digest" | "sizeBytes">;
  /** Labels the blob gets when it is committed. */
  readonly labels: Record<string, string>;
  /** The lease that keeps the ingest and then the blob. */
  readonly leaseId: string;
  /** The bytes, as many as the descriptor says; throwing abandons the write. */
  readonly batches: AsyncIterable<Batch>;
  /** A file of this host that holds the bytes and that nobody changes any more: it may be linked to instead. */
  readonly file?: string;
}

/** Prefix of the names of unfinished writes, so that those a killed daemon left can be told. */
export const ingestPrefix = "berth-";

/**
 * Writes a blob into the content store; false when it got there meanwhile, with the bytes not read to their end.
 * What fails leaves no unfinished write. containerd checks the digest before it keeps a blob, so nobody does here.
 *
 * Errors: `invalid` when the bytes are others than the digest says; whatever `batches` throws; the signal's reason;
 * gRPC's otherwise.
 */
export async function writeBlob(
  connection: ContainerdConnection,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<boolean> {
  const ref = ingestPrefix + randomUUID();
  const { content, ingestDir } = connection;
  try {
    if (ingestDir !== undefined && isForFile(blob.descriptor.sizeBytes)) {
      await writeFile(connection, ingestDir, ref, blob, signal);
    } else await writeMessages(connection, ref, blob, signal);
    return true;
  } catch (error) {
    if (isAlreadyThere(error)) return false;
    await unlessMissing(content.abort({ ref })).catch(() => {});
    throw isWrongDigest(error) ? otherBytes(blob.descriptor.digest, error) : error;
  }
}

/** How containerd says so, with a code that means other things too. */
const isWrongDigest = (error: unknown): boolean =>
  codeOf(error) === Code.FailedPrecondition && /unexpected commit digest/.test((error as Error).message);

/** How long containerd may take to end a write that was given up before it is cut, in milliseconds. */
const endMs = 5_000;

/**
 * Sends the bytes to containerd. A write that is given up is ended, not cut: containerd removes a write's files while
 * it still writes to them, and then leaves some, when it is told to abort one that it has not seen the end of.
 */
async function writeMessages(
  { content, ingestDir }: ContainerdConnection,
  ref: string,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<void> {
  const source: { failure?: { readonly error: unknown } } = {};
  const cut = delayed(signal, endMs);
  const isLarge = blob.descriptor.sizeBytes > largestFileBytes;
  const sync = () => isLarge && ingestDir !== undefined ? syncData(ingestDir, ref) : undefined;
  try {
    const messages = messagesOf(ref, blob, source, sync, signal);
    const answers = content.write(messages, underLease(blob.leaseId, { signal: cut.signal }));
    // Answers carry nothing new; reading them lets containerd go on.
    for await (const _ of answers);
  } catch (error) {
    throw source.failure?.error ?? error;
  } finally {
    cut.release();
  }
  if (source.failure) throw source.failure.error;
}

/**
 * @param source takes what the bytes threw: the messages end then, without the one that commits them
 * @param sync awaited before the message that commits them
 */
async function* messagesOf(
  ref: string,
  { descriptor, labels, batches }: NewBlob,
  source: { failure?: { readonly error: unknown } },
  sync: () => Promise<void> | undefined,
  signal: AbortSignal,
) {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  let offset = 0n;
  yield { action: WriteAction.STAT, ref, total, expected };
  try {
    for await (const batch of batches) {
      signal.throwIfAborted();
      const data = batch.length === 1 && batch[0] ? batch[0] : Buffer.concat(batch);
      yield { action: WriteAction.WRITE, ref, total, expected, offset, data };
      offset += BigInt(data.length);
    }
    await sync();
    signal.throwIfAborted();
  } catch (error) {
    source.failure = { error };
    return;
  }
  yield { action: WriteAction.COMMIT, ref, total, expected, offset, labels };
}
