import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** A regular file of an archive. */
export interface SpooledFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** `sha256:…` of the bytes that arrived, or what a large blob's name claims: the store checks it anyway. */
  readonly digest: string;
  /** The first bytes, to tell what it is. */
  readonly start: Uint8Array;
}

/** So many bytes are written at once: a tar's reader hands out pieces of 64 KiB. */
const batchBytes = 1024 * 1024;
/** Enough to tell a compression. */
const startBytes = 8;

/** A new file of the spool that is being written, hashed on the way. Only the daemon's user can read it. */
export class SpoolWriter {
  readonly #path: string;
  readonly #file: BatchedFile;
  readonly #hash: Hash | undefined;
  readonly #claimed: string;
  #sizeBytes = 0;
  #start: Uint8Array = new Uint8Array();

  private constructor(path: string, file: BatchedFile, claimed: string | undefined) {
    this.#path = path;
    this.#file = file;
    this.#claimed = claimed ?? "";
    this.#hash = claimed === undefined ? createHash("sha256") : undefined;
  }

  /** @param claimed the digest that stands for bytes which are checked later; hashing them twice would take time */
  static async create(path: string, claimed?: string): Promise<SpoolWriter> {
    return new SpoolWriter(path, new BatchedFile(await open(path, "wx", 0o600)), claimed);
  }

  /** Resolves when there is room for more. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#hash?.update(chunk);
    if (this.#start.length < startBytes) {
      this.#start = Buffer.concat([this.#start, chunk.subarray(0, startBytes)]);
    }
    this.#sizeBytes += chunk.length;
    await this.#file.write(chunk);
  }

  /** Called once, after the last byte. The file is still to be closed. */
  async finish(): Promise<SpooledFile> {
    await this.#file.flush();
    return {
      path: this.#path,
      sizeBytes: this.#sizeBytes,
      digest: this.#hash ? `sha256:${this.#hash.digest("hex")}` : this.#claimed,
      start: this.#start,
    };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Writes bytes into a new file. `claimed` is as for {@link SpoolWriter.create}. */
export async function writeSpooled(
  bytes: AsyncIterable<Uint8Array>,
  path: string,
  claimed?: string,
): Promise<SpooledFile> {
  const writer = await SpoolWriter.create(path, claimed);
  try {
    for await (const chunk of bytes) await writer.write(chunk);
    return await writer.finish();
  } finally {
    await writer.close();
  }
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
