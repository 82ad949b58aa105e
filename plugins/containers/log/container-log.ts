import { type FileHandle, open, rm } from "node:fs/promises";
import type { OutputStream } from "../../../core/support/stdcopy.ts";
import { Notifier } from "../model/notifier.ts";
import { now } from "../model/instant.ts";
import { encodeRecord, maxPayloadBytes, overheadBytes } from "./format.ts";

/** A piece of the log in memory, from `start` in the file; `filled` bytes of it hold records. */
interface Piece {
  readonly start: number;
  readonly bytes: Buffer;
  filled: number;
}

const firstPieceBytes = 4 * 1024;
const lastPieceBytes = 1024 * 1024;
/** More than this not yet written makes the container wait for the disk. */
const highWaterBytes = 4 * 1024 * 1024;
/** Output is written this long after it came, so that a burst of short lines is one write. */
const writeDelayMs = 5;
/** From here on a burst is written at once. */
const writeAtOnceBytes = 128 * 1024;

/**
 * What a container printed: an append-only file of records, whose newest part is in memory. Readers address it by
 * byte position, in memory or in the file alike; a reader that keeps up never touches the file, one that falls behind
 * costs no memory, and neither slows the container.
 */
export class ContainerLog {
  readonly path: string;
  /** Output, a start, an end, a close. */
  readonly changes = new Notifier();
  readonly #report: (error: unknown) => void;
  #pieces: Piece[] = [];
  #nextPieceBytes = firstPieceBytes;
  #end: number;
  #written: number;
  #midLine = { stdout: false, stderr: false };
  #file: FileHandle | undefined;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #run = 0;
  #running = false;
  #retired = false;
  #closed = false;
  #holds = 0;
  #broken = false;

  /**
   * @param end where the whole records of an existing file end; 0 for a new log
   * @param report told once when the disk refuses; output is dropped from then on
   */
  constructor(path: string, end: number, report: (error: unknown) => void) {
    this.path = path;
    this.#end = this.#written = end;
    this.#report = report;
  }

  /** Position after the newest record, in bytes. */
  get end(): number {
    return this.#end;
  }

  /** Counts the container's starts. */
  get run(): number {
    return this.#run;
  }

  get running(): boolean {
    return this.#running;
  }

  /** True when nothing will come any more; what is there may still be read. */
  get retired(): boolean {
    return this.#retired;
  }

  /** True when readers are to end at once. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Keeps the file while somebody reads. Returns how to let go. */
  hold(): () => void {
    this.#holds++;
    return () => {
      this.#holds--;
      this.changes.notify();
    };
  }

  /** The container is about to start. */
  begin(): void {
    this.#run++;
    this.#running = true;
    this.#midLine = { stdout: false, stderr: false };
    this.changes.notify();
  }

  /** The container ended and all its output is here: followers of this run end. */
  finish(): void {
    this.#running = false;
    this.changes.notify();
  }

  /** Takes output. The bytes are copied. Returns a promise when the disk is behind: wait for it. */
  append(stream: OutputStream, chunk: Uint8Array): Promise<void> | void {
    if (this.#retired || this.#closed || this.#broken || chunk.length === 0) return;
    for (let at = 0; at < chunk.length; at += maxPayloadBytes) {
      this.#appendRecord(stream, chunk.subarray(at, at + maxPayloadBytes));
    }
    this.changes.notify();
    const pending = this.#end - this.#written;
    this.#schedule(pending);
    if (pending > highWaterBytes) return this.#writing;
  }

  /** Records in memory from a position on; undefined when they are only in the file, or not there yet. */
  peek(position: number): Buffer | undefined {
    for (let index = this.#pieces.length - 1; index >= 0; index--) {
      const piece = this.#pieces[index]!;
      if (position >= piece.start) {
        return position < piece.start + piece.filled
          ? piece.bytes.subarray(position - piece.start, piece.filled)
          : undefined;
      }
    }
    return undefined;
  }

  /** Resolves when everything appended so far is in the file. */
  async flush(): Promise<void> {
    while (this.#written < this.#end && !this.#broken) await this.#write();
  }

  /** After an exit: the file is complete, memory and descriptor are given back. */
  async settle(): Promise<void> {
    await this.flush();
    if (this.#running) return;
    this.#pieces = [];
    this.#nextPieceBytes = firstPieceBytes;
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /**
   * The container was removed: readers get what is there, then the file goes. What was not written by then never is.
   */
  async retire(): Promise<void> {
    this.#retired = true;
    this.finish();
    while (this.#holds > 0 && !this.#closed) await this.changes.next();
    this.#written = this.#end;
    await this.close();
    await rm(this.path, { force: true });
  }

  /** Ends all readers at once; later output is dropped, earlier output is in the file. */
  async close(): Promise<void> {
    this.#closed = true;
    this.finish();
    clearTimeout(this.#timer);
    await this.flush();
    await this.#writing;
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #appendRecord(stream: OutputStream, payload: Uint8Array): void {
    const piece = this.#pieceFor(payload.length + overheadBytes);
    const continues = this.#midLine[stream];
    piece.filled = encodeRecord(piece.bytes, piece.filled, { stream, continues, at: now(), payload });
    this.#end = piece.start + piece.filled;
    this.#midLine[stream] = payload[payload.length - 1] !== 10;
  }

  #pieceFor(bytes: number): Piece {
    const last = this.#pieces.at(-1);
    if (last && last.bytes.length - last.filled >= bytes) return last;
    const size = Math.max(this.#nextPieceBytes, bytes);
    this.#nextPieceBytes = Math.min(lastPieceBytes, this.#nextPieceBytes * 4);
    const piece = { start: this.#end, bytes: Buffer.allocUnsafeSlow(size), filled: 0 };
    this.#pieces.push(piece);
    this.#forgetWritten();
    return piece;
  }

  #schedule(pending: number): void {
    if (this.#writing) return;
    if (pending >= writeAtOnceBytes) void this.#write();
    else this.#timer ??= setTimeout(() => void this.#write(), writeDelayMs);
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#writing ??= this.#writePieces().catch((error) => {
      this.#broken = true;
      this.#written = this.#end;
      this.#report(error);
    }).finally(() => {
      this.#writing = undefined;
      this.#forgetWritten();
      if (this.#written < this.#end && !this.#closed) this.#schedule(this.#end - this.#written);
    });
  }

  async #writePieces(): Promise<void> {
    this.#file ??= await open(this.path, this.#written === 0 ? "w" : "r+", 0o600);
    for (const piece of this.#pieces.slice()) {
      const { start, filled } = piece;
      for (let from = this.#written - start; from < filled; from = this.#written - start) {
        const { bytesWritten } = await this.#file.write(piece.bytes, from, filled - from, start + from);
        this.#written += bytesWritten;
      }
    }
  }

  /** Pieces the file has are let go, but for the newest: readers that keep up read that. */
  #forgetWritten(): void {
    while (this.#pieces.length > 1 && this.#pieces[1]!.start <= this.#written) this.#pieces.shift();
  }
}
