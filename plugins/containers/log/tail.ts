import type { OutputStream } from "../../../core/support/stdcopy.ts";
import type { ContainerLog } from "./container-log.ts";
import { decodeRecord, type LogRecord, overheadBytes, payloadLengthBefore } from "./format.ts";
import { LogFile } from "./read.ts";

const blockBytes = 512 * 1024;
const newline = 10;

/** Where one stream's last lines begin: in the record at this position, so many bytes into its payload. */
export interface Cut {
  readonly position: number;
  readonly offset: number;
}

/** Where to begin reading, for each stream. */
export type Cuts = Readonly<Record<OutputStream, Cut>>;

/** No cut: everything from a position on. */
export const cutsAt = (position: number): Cuts => ({
  stdout: { position, offset: 0 },
  stderr: { position, offset: 0 },
});

/**
 * Finds where the last lines begin, walking backwards from `end`: as quick in a gigabyte as in a kilobyte. A last
 * line without its newline counts as one.
 */
export async function findTail(
  log: ContainerLog,
  end: number,
  lines: number,
  streams: ReadonlySet<OutputStream>,
): Promise<Cuts> {
  if (lines === 0 || end === 0) return cutsAt(end);
  await log.flush();
  const search = new TailSearch(end, lines, streams);
  const backwards = new BackwardReader(log.path, end);
  try {
    while (!search.done) {
      const found = await backwards.previous();
      if (!found) break;
      search.look(found.position, found.record);
    }
  } finally {
    await backwards.close();
  }
  return search.cuts();
}

/** One stream's side of the search. */
interface Side {
  /** Begins so far, if the search ended here. */
  cut: Cut;
  /** What was taken so far begins in the middle of a line. */
  open: boolean;
  done: boolean;
}

class TailSearch {
  #budget: number;
  readonly #sides: Record<OutputStream, Side>;

  constructor(end: number, lines: number, streams: ReadonlySet<OutputStream>) {
    this.#budget = lines;
    const side = (stream: OutputStream): Side => ({
      cut: { position: end, offset: 0 },
      open: false,
      done: !streams.has(stream),
    });
    this.#sides = { stdout: side("stdout"), stderr: side("stderr") };
  }

  get done(): boolean {
    return Object.values(this.#sides).every((side) => side.done || (this.#budget === 0 && !side.open));
  }

  look(position: number, record: LogRecord): void {
    const side = this.#sides[record.stream];
    if (side.done) return;
    // A line without its newline, at the end of a run, takes one of the lines as well.
    if (!side.open && !record.ends && this.#budget > 0) {
      this.#budget--;
      side.open = true;
    }
    if (this.#budget === 0 && !side.open) side.done = true;
    if (side.done) return;
    if (record.lines <= this.#budget) {
      this.#budget -= record.lines;
      side.cut = { position, offset: 0 };
      side.open = record.continues;
    } else {
      side.cut = { position, offset: lineStart(record.payload, this.#budget) };
      side.done = true;
      this.#budget = 0;
    }
  }

  cuts(): Cuts {
    return { stdout: this.#sides.stdout.cut, stderr: this.#sides.stderr.cut };
  }
}

/** Where the last lines of a payload begin that has more newlines than wanted. */
function lineStart(payload: Buffer, lines: number): number {
  let at = payload.lastIndexOf(newline);
  for (let left = lines; left > 0; left--) at = payload.lastIndexOf(newline, at - 1);
  return at + 1;
}

/** Gives the records of a file from the last to the first. */
class BackwardReader {
  readonly #file: LogFile;
  #block: Buffer = Buffer.alloc(0);
  #blockStart: number;
  #end: number;

  constructor(path: string, end: number) {
    this.#file = new LogFile(path);
    this.#end = this.#blockStart = end;
  }

  async previous(): Promise<{ position: number; record: LogRecord } | undefined> {
    if (this.#end === 0) return undefined;
    return this.#take() ?? (await this.#load(), this.#take());
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #take(): { position: number; record: LogRecord } | undefined {
    const end = this.#end - this.#blockStart;
    const length = payloadLengthBefore(this.#block, end);
    if (length === undefined || length + overheadBytes > end) return undefined;
    const record = decodeRecord(this.#block, end - length - overheadBytes);
    if (!record) return undefined;
    this.#end -= record.totalBytes;
    return { position: this.#end, record };
  }

  async #load(): Promise<void> {
    this.#blockStart = Math.max(0, this.#end - blockBytes);
    this.#block = await this.#file.read(this.#blockStart, this.#end - this.#blockStart);
  }
}
