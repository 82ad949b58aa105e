import { type FileHandle, open } from "node:fs/promises";
import type { ContainerLog } from "./container-log.ts";
import { decodeRecord } from "./format.ts";

const blockBytes = 1024 * 1024;

/** Whole records, one after another: what the readers of a log pass around. `position` is where they begin. */
export interface Segment {
  readonly position: number;
  readonly bytes: Buffer;
}

/** Reads part of a log's file; a log that never wrote has none. */
export class LogFile {
  readonly #path: string;
  #file: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads exactly so many bytes, less at the end of the file. */
  async read(position: number, length: number): Promise<Buffer> {
    this.#file ??= await open(this.#path, "r");
    const block = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#file.read(block, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return block.subarray(0, filled);
  }

  /** The whole records from a position on, as many as fit a block; empty at the end or where the file is torn. */
  async records(position: number, end: number): Promise<Buffer> {
    const block = await this.read(position, Math.min(blockBytes, end - position));
    return block.subarray(0, wholeRecords(block));
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** Everything from one position to another, without waiting for more. */
export async function* readLog(log: ContainerLog, from: number, to: number): AsyncGenerator<Segment> {
  if (from >= to) return;
  const file = new LogFile(log.path);
  const release = log.hold();
  try {
    await log.flush();
    for (let position = from; position < to;) {
      const bytes = await file.records(position, to);
      if (bytes.length === 0) return;
      yield { position, bytes };
      position += bytes.length;
    }
  } finally {
    release();
    await file.close();
  }
}

/** Bytes of whole records at the start of a block. */
export function wholeRecords(block: Buffer): number {
  let offset = 0;
  for (let record = decodeRecord(block, 0); record; record = decodeRecord(block, offset)) {
    offset += record.totalBytes;
  }
  return offset;
}

/** Where the whole records of a file end: a daemon that was killed may have left half of one. 0 without a file. */
export async function findEnd(path: string): Promise<number> {
  const file = new LogFile(path);
  try {
    for (let position = 0;;) {
      const bytes = await file.records(position, position + blockBytes);
      if (bytes.length === 0) return position;
      position += bytes.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  } finally {
    await file.close();
  }
}
