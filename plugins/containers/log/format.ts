/**
 * The log's records on disk and in memory, big-endian: a header of 24 bytes, one chunk of output as it was read, a
 * footer of 8. The line count in the header lets a reader skip lines without looking at them, the length in the footer
 * lets it walk backwards.
 *
 *     0 magic u32 | 4 stream u8 | 5 flags u8 | 6 zero u16 | 8 length u32 | 12 lines u32 | 16 seconds u32 | 20 nanoseconds u32
 *     24 … payload … | length u32 | length xor magic u32
 */
import type { OutputStream } from "../../../core/support/stdcopy.ts";
import type { Instant } from "../model/instant.ts";

export const headerBytes = 24;
export const footerBytes = 8;
/** What a record takes besides its payload. */
export const overheadBytes = headerBytes + footerBytes;
/** Longest payload of one record; longer chunks are split. */
export const maxPayloadBytes = 256 * 1024;

const magic = 0xb3724c67;
const continuesLine = 1;
const endsLine = 2;
const newline = 10;

/** A record within a buffer. */
export interface LogRecord {
  readonly stream: OutputStream;
  /** The first line began in an earlier record of the same stream. */
  readonly continues: boolean;
  /** The last byte is a newline. */
  readonly ends: boolean;
  /** Newlines in the payload. */
  readonly lines: number;
  readonly at: Instant;
  readonly payload: Buffer;
  /** Header, payload and footer. */
  readonly totalBytes: number;
}

/** Writes one record at an offset of a buffer that has room for it; returns the offset after it. */
export function encodeRecord(
  target: Buffer,
  offset: number,
  record: { stream: OutputStream; continues: boolean; at: Instant; payload: Uint8Array },
): number {
  const { payload, at } = record;
  const length = payload.length;
  const ends = payload[length - 1] === newline;
  target.writeUInt32BE(magic, offset);
  target[offset + 4] = record.stream === "stderr" ? 2 : 1;
  target[offset + 5] = (record.continues ? continuesLine : 0) | (ends ? endsLine : 0);
  target.writeUInt16BE(0, offset + 6);
  target.writeUInt32BE(length, offset + 8);
  target.writeUInt32BE(countNewlines(payload), offset + 12);
  target.writeUInt32BE(at.seconds, offset + 16);
  target.writeUInt32BE(at.nanoseconds, offset + 20);
  target.set(payload, offset + headerBytes);
  const end = offset + headerBytes + length;
  target.writeUInt32BE(length, end);
  target.writeUInt32BE((length ^ magic) >>> 0, end + 4);
  return end + footerBytes;
}

/** The record at an offset; undefined when it is not whole or not a record. */
export function decodeRecord(source: Buffer, offset: number): LogRecord | undefined {
  if (source.length - offset < overheadBytes || source.readUInt32BE(offset) !== magic) return undefined;
  const length = source.readUInt32BE(offset + 8);
  const end = offset + headerBytes + length;
  if (length > maxPayloadBytes || end + footerBytes > source.length) return undefined;
  if (payloadLengthBefore(source, end + footerBytes) !== length) return undefined;
  const flags = source[offset + 5] ?? 0;
  return {
    stream: source[offset + 4] === 2 ? "stderr" : "stdout",
    continues: (flags & continuesLine) !== 0,
    ends: (flags & endsLine) !== 0,
    lines: source.readUInt32BE(offset + 12),
    at: { seconds: source.readUInt32BE(offset + 16), nanoseconds: source.readUInt32BE(offset + 20) },
    payload: source.subarray(offset + headerBytes, end),
    totalBytes: overheadBytes + length,
  };
}

/** The payload length of the record that ends at this offset; undefined when none ends there. */
export function payloadLengthBefore(source: Buffer, end: number): number | undefined {
  if (end < overheadBytes) return undefined;
  const length = source.readUInt32BE(end - footerBytes);
  const check = source.readUInt32BE(end - 4);
  return (length ^ magic) >>> 0 === check && length <= maxPayloadBytes ? length : undefined;
}

/** The records of a buffer, in order, until one is not whole. */
export function* recordsOf(segment: Buffer): Generator<LogRecord> {
  for (let offset = 0;;) {
    const record = decodeRecord(segment, offset);
    if (!record) return;
    yield record;
    offset += record.totalBytes;
  }
}

function countNewlines(bytes: Uint8Array): number {
  const length = bytes.length;
  let count = 0;
  // A plain loop beats indexOf for short lines, and is quick enough for long ones.
  for (let at = 0; at < length; at++) count += bytes[at] === newline ? 1 : 0;
  return count;
}
