import { open } from "node:fs/promises";
import { join } from "node:path";

/** Size of the chunks, in bytes. */
const chunkBytes = 1024 * 1024;

/** Where a blob lies, when it is there; undefined for what is no digest. Source: containerd, docs/content-flow.md. */
export function blobPath(blobsDir: string, digest: string): string | undefined {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  return hex && join(blobsDir, "sha256", hex);
}

/**
 * A file's bytes from an offset, in large chunks; undefined when there is no such file. The next chunk is read while
 * the last one is being used. A third of the processor time that having containerd send them takes, measured.
 */
export async function readFileFrom(
  path: string,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  signal?.throwIfAborted();
  const file = await open(path, "r").catch((error) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return file && chunksOf(file, offset, signal);
}

async function* chunksOf(
  file: Awaited<ReturnType<typeof open>>,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  const next = (at: number) => {
    const reading = file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, at);
    // It may fail after nobody waits for it any more.
    reading.catch(() => {});
    return reading;
  };
  let reading = next(offset);
  try {
    for (let at = offset;;) {
      const { bytesRead, buffer } = await reading;
      signal?.throwIfAborted();
      if (bytesRead === 0) return;
      at += bytesRead;
      reading = next(at);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await reading.catch(() => {});
    await file.close();
  }
}
