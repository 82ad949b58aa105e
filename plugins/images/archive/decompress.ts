import { createGunzip } from "node:zlib";
import { invalid, messageOf } from "../../../core/support/errors.ts";
import { feed } from "./feed.ts";

/** Starts of compressed files that Docker reads and this does not. */
const refusedFormats: readonly { readonly name: string; readonly magic: readonly number[] }[] = [
  { name: "bzip2", magic: [0x42, 0x5a, 0x68] },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd] },
];

const startsWith = (bytes: Uint8Array, magic: readonly number[]) =>
  magic.every((byte, at) => bytes[at] === byte);

/** True for the first bytes of a gzip stream. */
export const isGzip = (start: Uint8Array): boolean => startsWith(start, [0x1f, 0x8b]);

/** The bytes of an archive as sent, unpacked when they are gzip. Errors: `invalid` for other compressions. */
export async function* decompressed(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const start = await atLeast(chunks, 6);
  const refused = refusedFormats.find(({ magic }) => startsWith(start, magic));
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
