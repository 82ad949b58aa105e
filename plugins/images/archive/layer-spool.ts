import { createHash } from "node:crypto";
import { join } from "node:path";
import { isGzip, isZstd } from "./compressions.ts";
import { decompressed, startBytes } from "./decompress.ts";
import { peek } from "./peek.ts";
import { counted } from "./spool.ts";
import { type SpooledFile, SpoolWriter, writeSpooled } from "./spool-file.ts";
import type { SpoolSpace } from "./spools.ts";

/** A root file system as it is to be stored. */
export interface SpooledLayer {
  readonly file: SpooledFile;
  /** The digest of the plain tar. */
  readonly diffId: string;
}

/**
 * Spools a root file system. What came as gzip or zstd stays as it came: the store unpacks it, a registry takes it, and
 * nothing is compressed anew. What came plain stays plain, as with Docker, so that digests are Docker's; what came in
 * another compression becomes plain. Errors: as {@link decompressed}, and `too-large` beyond the space.
 */
export async function spoolLayer(
  body: AsyncIterable<Uint8Array>,
  space: SpoolSpace,
  signal: AbortSignal,
): Promise<SpooledLayer> {
  const path = join(space.directory, "layer");
  const { start, all } = await peek(counted(body, space.onDisk, signal), startBytes);
  if (isGzip(start) || isZstd(start)) return await asItCame(all, path, space, signal);
  const file = await writeSpooled(counted(decompressed(all), space.unpacked, signal), path);
  return { file, diffId: file.digest };
}

/** Writes the bytes that came and hashes what they unpack to. */
async function asItCame(
  body: AsyncIterable<Uint8Array>,
  path: string,
  space: SpoolSpace,
  signal: AbortSignal,
): Promise<SpooledLayer> {
  const writer = await SpoolWriter.create(path);
  async function* kept() {
    for await (const chunk of body) {
      await writer.write(chunk);
      yield chunk;
    }
  }
  try {
    const hash = createHash("sha256");
    for await (const chunk of counted(decompressed(kept()), space.unpacked, signal)) hash.update(chunk);
    return { file: await writer.finish(), diffId: `sha256:${hash.digest("hex")}` };
  } finally {
    await writer.close();
  }
}
