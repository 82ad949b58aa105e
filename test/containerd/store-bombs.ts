/** Layers that are small on the wire and large on disk, made bit by bit so that the test itself stays small. */
import { gzipSync } from "node:zlib";
import { type Layer, sha256, tarOf } from "../contract/image-store-fixtures.ts";

const mebibyte = 1024 * 1024;

/** A layer that is one file of so many MiB of zeros, in gzip: a thousandth of its size. */
export async function gzipBomb(mebibytes: number): Promise<Layer> {
  const block = gzipSync(Buffer.alloc(mebibyte));
  // gzip members one after the other are one gzip file.
  return bomb("gzip", [
    gzipSync(await headerOf(mebibytes)),
    ...Array(mebibytes).fill(block),
    gzipSync(Buffer.alloc(1024)),
  ]);
}

/** The same in zstd, made of blocks that say "128 KiB of zeros" in four bytes: a thirty thousandth of its size. */
export async function zstdBomb(mebibytes: number): Promise<Layer> {
  const zeros = Buffer.alloc(4 * 8 * mebibytes);
  for (let at = 0; at < zeros.length; at += 4) blockHeader(128 * 1024, "repeat").copy(zeros, at);
  const start = await headerOf(mebibytes);
  const end = Buffer.alloc(1024);
  return bomb("zstd", [
    // Magic number; no checksum, no dictionary; a window of 128 KiB. Source: RFC 8878, sections 3.1.1 and 3.1.1.2.
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]),
    blockHeader(start.length, "raw"),
    start,
    zeros,
    blockHeader(end.length, "raw", true),
    end,
  ]);
}

function blockHeader(sizeBytes: number, type: "raw" | "repeat", isLast = false): Buffer {
  const header = Buffer.alloc(type === "repeat" ? 4 : 3);
  header.writeUIntLE((sizeBytes << 3) | (type === "repeat" ? 2 : 0) | (isLast ? 1 : 0), 0, 3);
  return header;
}

function bomb(compression: "gzip" | "zstd", parts: readonly Buffer[]): Layer {
  const blob = Buffer.concat(parts);
  return {
    blob,
    diffId: sha256(Buffer.alloc(0)),
    descriptor: {
      mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`,
      digest: sha256(blob),
      sizeBytes: blob.length,
    },
  };
}

/** The tar header of a file `zeros` of so many MiB. */
async function headerOf(mebibytes: number): Promise<Buffer> {
  const header = Buffer.from((await tarOf({ "zeros": "" })).subarray(0, 512));
  const sizeBytes = mebibytes * mebibyte;
  if (sizeBytes < 8 ** 11) header.write(sizeBytes.toString(8).padStart(11, "0"), 124, "ascii");
  else {
    // Larger than eleven octal digits: a binary number, marked by its first bit, as GNU tar has it.
    header.fill(0, 124, 136);
    header[124] = 0x80;
    header.writeUIntBE(sizeBytes, 130, 6);
  }
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return header;
}
