import { createGunzip } from "node:zlib";
import { invalid, messageOf } from "../../../core/support/errors.ts";
import { isBzip2, isGzip, isXz, isZstd } from "./compressions.ts";
import { feed } from "./feed.ts";
import { peek } from "./peek.ts";
import { throughProgram } from "./program.ts";

/**
 * Compressions that a program of the host undoes, as Docker has xz do. It runs beside the event loop, and holds its
 * memory to what it is told.
 */
const programs = [
  { name: "zstd", is: isZstd, args: ["-d", "-c", "-q", "--memory=128MB"] },
  { name: "xz", is: isXz, args: ["-d", "-c", "-q", "--memlimit-decompress=256MiB"] },
  { name: "bzip2", is: isBzip2, args: ["-d", "-c", "-q"] },
];

/** Enough of a file's start to tell its compression. */
export const startBytes = 6;

/**
 * The bytes of an archive as sent, unpacked when they are gzip, zstd, xz or bzip2. How much comes out is for the reader
 * to watch. Errors: `invalid` for bytes that cannot be unpacked, or a compression whose program the host lacks.
 */
export async function* decompressed(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const { start, all } = await peek(body, startBytes);
  const program = programs.find(({ is }) => is(start));
  if (program) yield* throughProgram(all, program.name, program.args);
  else yield* isGzip(start) ? gunzip(all) : all;
}

/** Larger pieces than the library's 16 KiB: each costs a turn of the event loop. */
const pieceBytes = 256 * 1024;

async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const unpack = createGunzip({ chunkSize: pieceBytes });
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
