import { type FileHandle, link, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { type ContainerdConnection, underLease } from "../connection.ts";
import { WriteAction } from "../gen/content_pb.ts";
import type { Batch } from "./source-chunks.ts";
import type { NewBlob } from "./write-blob.ts";

/** Smaller blobs are sent to containerd: a message is quicker than a file. In bytes. */
const smallestFileBytes = 1024 * 1024;

/**
 * So are larger ones: containerd reads a file that it takes up while it holds its database's only write lock, half a
 * gigabyte a second. In bytes.
 */
export const largestFileBytes = 128 * 1024 * 1024;

/** Whether a blob of so many bytes is better written as a file than sent. */
export const isForFile = (sizeBytes: number): boolean =>
  sizeBytes >= smallestFileBytes && sizeBytes <= largestFileBytes;

/**
 * Writes the bytes into the file of containerd's unfinished write, or puts a link to a file that holds them in its
 * place, and has containerd take up the write where the file ends, as it does after its own restart: it reads the file
 * and checks the digest. Less than half of the processor time that sending takes, measured.
 *
 * @param ingestDir where the private containerd keeps unfinished writes
 */
export async function writeFile(
  { content }: ContainerdConnection,
  ingestDir: string,
  ref: string,
  { descriptor, labels, leaseId, batches, file: source }: NewBlob,
  signal: AbortSignal,
): Promise<void> {
  const expected = descriptor.digest;
  const total = BigInt(descriptor.sizeBytes);
  const stat = { action: WriteAction.STAT, ref, total, expected };
  // Without the signal: a write that is cut may leave files, and neither call takes long.
  const options = underLease(leaseId);
  for await (const _ of content.write(each([stat]), options));
  const isLinked = source !== undefined && await linkTo(source, await dataOf(ingestDir, ref));
  await withData(ingestDir, ref, async (file) => {
    if (!isLinked) await writeBatches(file, batches, signal);
    await file.datasync();
  });
  signal.throwIfAborted();
  const commit = { action: WriteAction.COMMIT, ref, total, expected, offset: total, labels };
  for await (const _ of content.write(each([stat, commit]), options));
}

/**
 * Has an unfinished write's bytes on the disk before containerd is asked to keep them: it syncs while it holds its
 * database's only write lock, and whatever else is going on, containers included, waits for that.
 */
export function syncData(ingestDir: string, ref: string): Promise<void> {
  return withData(ingestDir, ref, (file) => file.datasync());
}

/** Puts a link to the source in a file's place. False when the two lie on different file systems. */
async function linkTo(source: string, path: string): Promise<boolean> {
  const beside = `${path}.link`;
  try {
    await link(source, beside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EXDEV") return false;
    throw error;
  }
  await rename(beside, path);
  return true;
}

async function writeBatches(
  file: FileHandle,
  batches: AsyncIterable<Batch>,
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of batches) {
    signal.throwIfAborted();
    await writeAll(file, batch);
  }
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

/** Opens the file of an unfinished write. It is not made when it is missing: containerd would not know of it. */
async function withData(
  ingestDir: string,
  ref: string,
  work: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(await dataOf(ingestDir, ref), "r+");
  try {
    await work(file);
  } finally {
    await file.close();
  }
}

/** containerd keeps each unfinished write in a directory of its own, with its name in the file `ref`. */
async function dataOf(ingestDir: string, ref: string): Promise<string> {
  for (const name of await readdir(ingestDir)) {
    const known = await readFile(join(ingestDir, name, "ref"), "utf8").catch(() => "");
    if (known.endsWith(`/${ref}`)) return join(ingestDir, name, "data");
  }
  throw new Error(`containerd has no file for the unfinished write ${ref}`);
}
