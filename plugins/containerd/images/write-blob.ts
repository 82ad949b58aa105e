import { randomUUID } from "node:crypto";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
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

/** Smaller blobs are sent to containerd: a message is quicker than a file. In bytes. */
const smallestFileBytes = 1024 * 1024;

/** Prefix of the names of unfinished writes, so that those a killed daemon left can be told. */
export const ingestPrefix = "berth-";

/**
 * Writes a blob into the content store; false when it got there meanwhile, with the bytes not read to their end.
 * What fails leaves no unfinished write.
 *
 * Errors: whatever `chunks` throws; the signal's reason; gRPC's otherwise.
 */
export async function writeBlob(
  connection: ContainerdConnection,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<boolean> {
  const ref = ingestPrefix + randomUUID();
  const { content, ingestDir } = connection;
  try {
    if (ingestDir !== undefined && blob.descriptor.sizeBytes >= smallestFileBytes) {
      await writeFile(connection, ingestDir, ref, blob, signal);
    } else await writeMessages(connection, ref, blob, signal);
    return true;
  } catch (error) {
    if (isAlreadyThere(error)) return false;
    await unlessMissing(content.abort({ ref })).catch(() => {});
    throw error;
  }
}

/** How long containerd may take to end a write that was given up before it is cut, in milliseconds. */
const endMs = 5_000;

/**
 * Sends the bytes to containerd. A write that is given up is ended, not cut: containerd removes a write's files while
 * it still writes to them, and then leaves some, when it is told to abort one that it has not seen the end of.
 */
async function writeMessages(
  { content }: ContainerdConnection,
  ref: string,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<void> {
  const source: { failure?: { readonly error: unknown } } = {};
  const cut = new AbortController();
  const end = () => void pause(endMs, cut.signal).then(() => cut.abort(signal.reason));
  signal.addEventListener("abort", end, { once: true });
  try {
    const messages = messagesOf(ref, blob, source, signal);
    const answers = content.write(messages, underLease(blob.leaseId, { signal: cut.signal }));
    // Answers carry nothing new; reading them lets containerd go on.
    for await (const _ of answers);
  } catch (error) {
    throw source.failure?.error ?? error;
  } finally {
    signal.removeEventListener("abort", end);
    cut.abort();
  }
  if (source.failure) throw source.failure.error;
}

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

/**
 * Writes the bytes into the file of containerd's unfinished write, and has containerd take up the write where the file
 * ends, as it does after its own restart: it reads the file and checks the digest. Half of the processor time that
 * sending takes, measured: most of a pull's.
 */
async function writeFile(
  { content }: ContainerdConnection,
  ingestDir: string,
  ref: string,
  { descriptor, labels, leaseId, chunks }: NewBlob,
  signal: AbortSignal,
): Promise<void> {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  const stat = { action: WriteAction.STAT, ref, total, expected };
  // Without the signal: a write that is cut may leave files, and neither call takes long.
  const options = underLease(leaseId);
  for await (const _ of content.write(each([stat]), options));
  // Not made when it is missing: containerd would not know of it.
  const file = await open(await dataOf(ingestDir, ref), "r+");
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  signal.throwIfAborted();
  const commit = { action: WriteAction.COMMIT, ref, total, expected, offset: total, labels };
  for await (const _ of content.write(each([stat, commit]), options));
}

async function* each<T>(messages: readonly T[]): AsyncIterable<T> {
  yield* messages;
}

/** The file of an unfinished write. containerd keeps each in a directory of its own, with its name in the file `ref`. */
async function dataOf(ingestDir: string, ref: string): Promise<string> {
  for (const name of await readdir(ingestDir)) {
    const known = await readFile(join(ingestDir, name, "ref"), "utf8").catch(() => "");
    if (known.endsWith(`/${ref}`)) return join(ingestDir, name, "data");
  }
  throw new Error(`containerd has no file for the unfinished write ${ref}`);
}
