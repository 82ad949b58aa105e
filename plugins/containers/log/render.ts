import { type OutputStream, stdcopyHeader } from "../../../core/support/stdcopy.ts";
import { compare, fixedNanoseconds, type Instant } from "../model/instant.ts";
import { type LogRecord, recordsOf } from "./format.ts";
import type { Segment } from "./read.ts";
import { type Cuts, cutsAt } from "./tail.ts";

const newline = 10;
const frameBytes = 8;

/** What of a log to show, and how. */
export interface View {
  readonly streams: ReadonlySet<OutputStream>;
  /** Frames around every piece: containers without a TTY. */
  readonly framed: boolean;
}

/** How `logs` shows lines. */
export interface LineView extends View {
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Records before this are left out. */
  readonly since?: Instant;
  /** Showing ends at the first record after this. */
  readonly until?: Instant;
  readonly cuts?: Cuts;
}

/** Output as it was read, chunk by chunk: what `attach` sends. Empty when nothing of the segment is wanted. */
export function renderChunks(segment: Segment, view: View): Buffer {
  const wanted: LogRecord[] = [];
  let total = 0;
  for (const record of recordsOf(segment.bytes)) {
    if (!view.streams.has(record.stream)) continue;
    wanted.push(record);
    total += record.payload.length + (view.framed ? frameBytes : 0);
  }
  const target = Buffer.allocUnsafeSlow(total);
  let at = 0;
  for (const { stream, payload } of wanted) {
    if (view.framed) {
      stdcopyHeader(target, at, stream, payload.length);
      at += frameBytes;
    }
    target.set(payload, at);
    at += payload.length;
  }
  return target;
}

/**
 * Output line by line, each in a frame of its own as Docker's log readers send it: clients wait for a line by looking
 * at frames. `ended` tells that `until` was passed.
 */
export function renderLines(segment: Segment, view: LineView): { bytes: Buffer; ended: boolean } {
  const parts: Buffer[] = [];
  let position = segment.position;
  let ended = false;
  for (const record of recordsOf(segment.bytes)) {
    if (view.until && compare(record.at, view.until) > 0) {
      ended = true;
      break;
    }
    const shown = visiblePart(record, position, view);
    if (shown) parts.push(layOutLines(record, shown, view));
    position += record.totalBytes;
  }
  return { bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts), ended };
}

function visiblePart(record: LogRecord, position: number, view: LineView): Buffer | undefined {
  if (!view.streams.has(record.stream)) return undefined;
  if (view.since && compare(record.at, view.since) < 0) return undefined;
  const cut = (view.cuts ?? cutsAt(0))[record.stream];
  if (position < cut.position) return undefined;
  return position === cut.position ? record.payload.subarray(cut.offset) : record.payload;
}

function layOutLines(record: LogRecord, payload: Buffer, view: LineView): Buffer {
  const prefix = linePrefix(record, view);
  if (prefix.length === 0 && !view.framed) return payload;
  const target = Buffer.allocUnsafeSlow(
    payload.length + (record.lines + 1) * ((view.framed ? frameBytes : 0) + prefix.length),
  );
  // The beginning of the first line was shown with the record before it.
  const continues = record.continues && payload.length === record.payload.length;
  let at = 0;
  for (let from = 0; from < payload.length;) {
    const frameAt = at;
    if (view.framed) at += frameBytes;
    if (prefix.length > 0 && !(continues && from === 0)) {
      target.set(prefix, at);
      at += prefix.length;
    }
    // Copying byte by byte while looking for the newline beats a call for each short line.
    for (let byte = -1; byte !== newline && from < payload.length;) target[at++] = byte = payload[from++]!;
    if (view.framed) stdcopyHeader(target, frameAt, record.stream, at - frameAt - frameBytes);
  }
  return target.subarray(0, at);
}

/** The time, then the log driver's details, of which there are none: Docker shows those as a blank. */
function linePrefix(record: LogRecord, view: LineView): Buffer {
  const time = view.timestamps ? `${fixedNanoseconds(record.at)} ` : "";
  return Buffer.from(time + (view.details ? " " : ""), "latin1");
}
