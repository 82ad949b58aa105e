import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** Each block becomes a gzip member of its own, in bytes before compression. */
const blockBytes = 1024 * 1024;
/** Blocks that are being compressed or wait to be taken at once. They bound the memory of one compression. */
const blocksAtOnce = 4;

/** Pieces of a block that tell whether it can be compressed at all: how many, and of how many bytes. */
const samples = { count: 4, bytes: 4096 };
/** What stays larger than this part of itself is not worth the time. */
const worthwhile = 0.97;

interface GzipOptions {
  readonly level: number;
  readonly chunkSize: number;
}

const gzipOnce = promisify(gzip) as (block: Uint8Array, options: GzipOptions) => Promise<Uint8Array>;

/** With room for all that comes out: each piece of output would be a way to a worker thread and back. */
const gzipBlock = (block: Uint8Array, level: number): Promise<Uint8Array> =>
  gzipOnce(block, { level, chunkSize: block.length + Math.ceil(block.length / 1000) + 1024 });

/**
 * Compresses bytes as they come, on the runtime's worker threads. What comes out depends on the bytes and the level
 * alone, not on how they were cut: the same layer has the same digest every time. It is a sequence of gzip members,
 * which every reader of gzip takes for one file. Source: RFC 1952 section 2.2.
 */
export async function* gzipped(chunks: AsyncIterable<Uint8Array>, level: number): AsyncIterable<Uint8Array> {
  const underWay: Promise<Uint8Array>[] = [];
  try {
    for await (const block of blocksOf(chunks)) {
      underWay.push(handled(compress(block, level)));
      if (underWay.length === blocksAtOnce) yield await underWay.shift()!;
    }
    for (let next = underWay.shift(); next; next = underWay.shift()) yield await next;
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** Most bytes of some layers are compressed already: archives, images, keys. To try them again takes longest of all. */
async function compress(block: Uint8Array, level: number): Promise<Uint8Array> {
  const sample = sampleOf(block);
  const isHopeless = sample.length < block.length &&
    (await gzipBlock(sample, level)).length > sample.length * worthwhile;
  return await gzipBlock(block, isHopeless ? 0 : level);
}

function sampleOf(block: Uint8Array): Uint8Array {
  const distance = Math.floor(block.length / samples.count);
  if (distance <= samples.bytes) return block;
  const starts = Array.from({ length: samples.count }, (_, at) => at * distance);
  return Buffer.concat(starts.map((start) => block.subarray(start, start + samples.bytes)));
}

/** A failure that nobody came to await must not count as unhandled. */
function handled<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}

/** The bytes in blocks of one size, the last one smaller; one empty block for none at all. */
async function* blocksOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let block = new Uint8Array(blockBytes);
  let filled = 0;
  let blocks = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + blockBytes - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < blockBytes) continue;
      blocks++;
      yield block;
      block = new Uint8Array(blockBytes);
      filled = 0;
    }
  }
  if (filled > 0 || blocks === 0) yield block.subarray(0, filled);
}

/** The bytes behind an offset. */
export async function* behind(chunks: AsyncIterable<Uint8Array>, offset: number): AsyncIterable<Uint8Array> {
  let skip = offset;
  for await (const chunk of chunks) {
    const rest = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}
