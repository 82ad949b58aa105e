import { createGunzip } from "node:zlib";
import { invalid, messageOf } from "../../../core/support/errors.ts";
import { isBzip2, isGzip, isXz, isZstd } from "./compressions.ts";
import { feed } from "./feed.ts";

/** Compressions that Docker reads and this does not. */
const refusedFormats = [
  { name: "bzip2", is: isBzip2 },
  { name: "xz", is: isXz },
  { name: "zstd", is: isZstd },
];

/** The bytes of an archive as sent, unpacked when they are gzip. Errors: `invalid` for other compressions. */
export async function* decompressed(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const start = await atLeast(chunks, 6);
  const refused = refusedFormats.find(({ is }) => is(start));
  if (refused) throw invalid(`the archive is compressed with ${refused.name}; send it plain or with gzip`);
  const all = continued(start, chunks);
  yield* isGzip(start) ? gunzip(all) : all;
}

async function atLeast(chunks: AsyncIterator<Uint8Array>, sizeBytes: number): Promise<Uint8Array> {
  let start: Uint8Array = new Uint8Array();
  while (start.length < sizeBytes) {
    const next = await chunks.next();
    if (next.done) break;
    start = Buffer.concat([start, next.value]);
  }
  return start;
}

async function* continued(start: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  if (start.length > 0) yield start;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}

async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const unpack = createGunzip();
  const feeding = feed(chunks, unpack);
  try {
    for await (const chunk of unpack) yield chunk;
    await feeding.done;
  } catch (error) {
    const failure = feeding.failure();
    if (failure) throw failure.error;
    throw invalid(`the archive is not valid gzip: ${messageOf(error)}`, error);
  } finally {
    unpack.destroy();
  }
}
