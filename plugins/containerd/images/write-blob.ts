import { randomUUID } from "node:crypto";
import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import type { Descriptor } from "../../images/backend.ts";
import { type ContainerdConnection, underLease } from "../connection.ts";
import { codeOf, isAlreadyThere, unlessMissing } from "../errors.ts";
import { WriteAction } from "../gen/content_pb.ts";
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
}

/** Smaller blobs are sent to containerd: a message is quicker than a file. In bytes. */
const smallestFileBytes = 1024 * 1024;

/**
 * So are larger ones: containerd reads a file that it takes up while it holds its database's only write lock, half a
 * gigabyte a second. In bytes.
 */
const largestFileBytes = 128 * 1024 * 1024;

const isForFile = (sizeBytes: number) => sizeBytes >= smallestFileBytes && sizeBytes <= largestFileBytes;

/** Prefix of the names of unfinished writes, so that those a killed daemon left can be told. */
export const ingestPrefix = "berth-";

/**
 * Writes a blob into the content store; false when it got there meanwhile, with the bytes not read to their end.
 * What fails leaves no unfinished write. containerd checks the digest before it keeps a blob, so nobody does here.
 *
 * Errors: `invalid` when the bytes are others than the digest says; whatever `batches` throws; gRPC's otherwise.
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

/** Sends the bytes to containerd. */
async function writeMessages(
  { content, ingestDir }: ContainerdConnection,
  ref: string,
  blob: NewBlob,
  signal: AbortSignal,
): Promise<void> {
  const source: { error?: unknown } = {};
  const sync = async () => {
    if (ingestDir !== undefined && blob.descriptor.sizeBytes > largestFileBytes) {
      await syncData(ingestDir, ref);
    }
  };
  try {
    const answers = content.write(messages(ref, blob, source, sync), underLease(blob.leaseId, { signal }));
    // Answers carry nothing new; reading them lets containerd go on.
    for await (const _ of answers);
  } catch (error) {
    throw source.error ?? error;
  }
}

/**
 * @param source takes what the bytes threw: gRPC would pass on its text and nothing else
 * @param sync called before the last message
 */
async function* messages(
  ref: string,
  { descriptor, labels, batches }: NewBlob,
  source: { error?: unknown },
  sync: () => Promise<void>,
) {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  let offset = 0n;
  yield { action: WriteAction.STAT, ref, total, expected };
  try {
    for await (const batch of batches) {
      const data = batch.length === 1 && batch[0] ? batch[0] : Buffer.concat(batch);
      yield { action: WriteAction.WRITE, ref, total, expected, offset, data };
      offset += BigInt(data.length);
    }
    await sync();
  } catch (error) {
    source.error = error;
    throw error;
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
  { descriptor, labels, leaseId, batches }: NewBlob,
  signal: AbortSignal,
): Promise<void> {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  const stat = { action: WriteAction.STAT, ref, total, expected };
  const options = underLease(leaseId, { signal });
  for await (const _ of content.write(each([stat]), options));
  // Not made when it is missing: containerd would not know of it.
  const file = await open(await dataOf(ingestDir, ref), "r+");
  try {
    for await (const batch of batches) await writeAll(file, batch);
    await file.datasync();
  } finally {
    await file.close();
  }
  const commit = { action: WriteAction.COMMIT, ref, total, expected, offset: total, labels };
  for await (const _ of content.write(each([stat, commit]), options));
}

/** A full disk may take a part and then refuse. */
async function writeAll(file: FileHandle, batch: Batch): Promise<void> {
  const { bytesWritten } = await file.writev(batch as Uint8Array[]);
  const sizeBytes = batch.reduce((sum, chunk) => sum + chunk.length, 0);
  if (bytesWritten < sizeBytes) await file.writeFile(Buffer.concat(batch).subarray(bytesWritten));
}

async function* each<T>(messages: readonly T[]): AsyncIterable<T> {
  yield* messages;
}

/**
 * Has an unfinished write's bytes on the disk before containerd is asked to keep them: it syncs while it holds its
 * database's only write lock, and whatever else is going on, containers included, waits for that.
 */
async function syncData(ingestDir: string, ref: string): Promise<void> {
  const file = await open(await dataOf(ingestDir, ref), "r+");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The file of an unfinished write. containerd keeps each in a directory of its own, with its name in the file `ref`. */
async function dataOf(ingestDir: string, ref: string): Promise<string> {
  for (const name of await readdir(ingestDir)) {
    const known = await readFile(join(ingestDir, name, "ref"), "utf8").catch(() => "");
    if (known.endsWith(`/${ref}`)) return join(ingestDir, name, "data");
  }
  throw new Error(`containerd has no file for the unfinished write ${ref}`);
}
