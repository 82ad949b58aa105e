import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** A regular file of an archive. */
export interface SpooledFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** `sha256:…` of the bytes that arrived. */
  readonly digest: string;
  /** The first bytes, to tell what it is. */
  readonly start: Uint8Array;
}

/** So many bytes are written at once: a tar's reader hands out pieces of 64 KiB. */
const batchBytes = 1024 * 1024;
/** Enough to tell a compression. */
const startBytes = 8;

/** Writes bytes into a new file, as the daemon's user alone can read it, and hashes them on the way. */
export async function writeSpooled(bytes: AsyncIterable<Uint8Array>, path: string): Promise<SpooledFile> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let start: Uint8Array = new Uint8Array();
  const file = new BatchedFile(await open(path, "wx", 0o600));
  try {
    for await (const chunk of bytes) {
      hash.update(chunk);
      if (start.length < startBytes) start = Buffer.concat([start, chunk.subarray(0, startBytes)]);
      sizeBytes += chunk.length;
      await file.write(chunk);
    }
    await file.flush();
  } finally {
    await file.close();
  }
  return { path, sizeBytes, digest: `sha256:${hash.digest("hex")}`, start };
}

/** Writes large batches, one at a time, while the next is being gathered. */
class BatchedFile {
  readonly #file: FileHandle;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Resolves when there is room for more. Rejects with what an earlier batch failed with. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= batchBytes) await this.#writeBatch();
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    if (this.#waitingBytes > 0) await this.#writeBatch();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#file.close();
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#writing;
    this.#writing = this.#file.writeFile(batch.length === 1 ? batch[0] as Uint8Array : Buffer.concat(batch));
    // Whoever writes or flushes next hears of it.
    this.#writing.catch(() => {});
  }
}
