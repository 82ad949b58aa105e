/**
 * The framing Docker puts around the output of a container without a TTY: `[stream, 0, 0, 0, length as
 * big-endian uint32]`, then the bytes. Source: Engine API, "Attach to a container", stream format.
 */
export type OutputStream = "stdout" | "stderr";

const streamNumber = { stdout: 1, stderr: 2 } as const;
const headerLength = 8;

/** Largest payload that {@link StdcopyParser} accepts in one frame, in bytes. */
export const maxFrameBytes = 16 * 1024 * 1024;

/** One frame: header and payload in one buffer, so that it leaves in one write. */
export function stdcopyFrame(stream: OutputStream, payload: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(headerLength + payload.length);
  stdcopyHeader(frame, 0, stream, payload.length);
  frame.set(payload, headerLength);
  return frame;
}

/** Writes a frame's 8 header bytes at an offset, for callers that lay out many frames in one buffer. */
export function stdcopyHeader(target: Buffer, offset: number, stream: OutputStream, length: number): void {
  target.writeUInt32BE(streamNumber[stream] * 0x1000000, offset);
  target.writeUInt32BE(length, offset + 4);
}

/** Takes frames apart again, whatever the pieces they arrive in. */
export class StdcopyParser {
  #rest: Buffer = Buffer.alloc(0);

  /** Feeds bytes; returns the frames that are complete now, in order. */
  push(chunk: Uint8Array): { stream: OutputStream; payload: Uint8Array }[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const frames: { stream: OutputStream; payload: Uint8Array }[] = [];
    let offset = 0;
    while (this.#rest.length - offset >= headerLength) {
      const length = this.#rest.readUInt32BE(offset + 4);
      if (length > maxFrameBytes) {
        throw new Error(`stdcopy frame of ${length} bytes is over ${maxFrameBytes}`);
      }
      const end = offset + headerLength + length;
      if (this.#rest.length < end) break;
      const stream = this.#rest[offset] === streamNumber.stderr ? "stderr" : "stdout";
      frames.push({ stream, payload: this.#rest.subarray(offset + headerLength, end) });
      offset = end;
    }
    this.#rest = this.#rest.subarray(offset);
    return frames;
  }
}
