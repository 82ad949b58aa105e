/** What the fake store believes of nobody. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { internal, invalid } from "../../core/support/errors.ts";
import type { Descriptor, ImageConfig, ImageSource, SourceManifest } from "../../plugins/images/backend.ts";

export const digestOf = (bytes: Uint8Array | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const isDigest = (digest: unknown) => typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest);

/** The bytes of the manifests and the index, and the kinds of the layers. */
export function checkSource(source: ImageSource): void {
  checkManifest(source);
  for (const { mediaType } of source.layers) {
    if (!/\.tar(?:[.+]gzip)?$/.test(mediaType)) {
      throw invalid(`layer of type ${mediaType} cannot be unpacked`);
    }
  }
  checkIndex(source);
}

function checkManifest({ manifest, config, layers }: SourceManifest): void {
  for (const { digest, sizeBytes } of [manifest, config, ...layers]) {
    if (!isDigest(digest)) throw invalid(`"${digest}" is no sha256 digest`);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw invalid(`${digest} has an impossible size: ${sizeBytes}`);
    }
  }
  verify(manifest, manifest.bytes);
  checkNames(manifest, [config, ...layers]);
}

function checkIndex({ index, manifest, attestations = [] }: ImageSource): void {
  if (!index) {
    if (attestations.length > 0) throw invalid("image has attestations, and no index lists them");
    return;
  }
  verify(index, index.bytes);
  const { manifests } = parse(index.digest, index.bytes, "index") as unknown as { manifests: Descriptor[] };
  for (const { digest } of [manifest, ...attestations.map((each) => each.manifest)]) {
    if (!manifests.some((entry) => entry.digest === digest)) {
      throw invalid(`index ${index.digest} does not list the manifest ${digest}`);
    }
  }
  if (attestations.length > 8) throw invalid(`image has ${attestations.length} attestations; at most 8`);
  attestations.forEach(checkManifest);
}

/** Bytes that are there already are as long as the manifest says, or it is a lie. */
export function checkSize({ digest, sizeBytes }: Descriptor, bytes: Uint8Array): void {
  if (bytes.length !== sizeBytes) {
    throw invalid(`${digest} has ${bytes.length} bytes, and its manifest says ${sizeBytes}`);
  }
}

/** The manifest must name the very blobs that the source offers. */
function checkNames({ digest, bytes }: ImageSource["manifest"], blobs: readonly Descriptor[]): void {
  const { config, layers } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, Descriptor[]>;
  const named = [config, layers].flat().map((blob) => blob?.digest);
  if (named.join() !== blobs.map((blob) => blob.digest).join()) {
    throw invalid(`manifest ${digest} names another configuration or other layers than the image has`);
  }
}

/** The image configuration, when it is one and fits the manifest. */
export function readConfig({ layers, config: { digest } }: ImageSource, bytes: Uint8Array): ImageConfig {
  const config = parse(digest, bytes);
  if (!config.os || !config.architecture) throw invalid(`configuration ${digest} names no platform`);
  const diffIds = config.rootfs.diff_ids;
  if (!diffIds.every(isDigest)) throw invalid(`configuration ${digest} has diff IDs that are no digests`);
  if (diffIds.length !== layers.length) {
    throw invalid(`configuration has ${diffIds.length} diff IDs, and its manifest ${layers.length} layers`);
  }
  return config;
}

function parse(digest: string, bytes: Uint8Array, what = "configuration"): ImageConfig {
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw invalid(`${what} ${digest} is not JSON`, error);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw invalid(`${what} ${digest} is no JSON object`);
  }
  return config as ImageConfig;
}

/** What a layer takes when unpacked, if it unpacks to what the configuration says. */
export function unpackedSize(layer: Descriptor, bytes: Uint8Array, diffId: string): number {
  const tar = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  const real = digestOf(tar);
  if (real !== diffId) throw invalid(`layer ${layer.digest} unpacks to ${real}, not to ${diffId}`);
  const magic = new TextDecoder().decode(tar.subarray(257, 262));
  if (tar.length > 1024 && magic !== "ustar") throw invalid(`cannot unpack layer ${layer.digest}: no tar`);
  return tar.length;
}

/** All bytes of a blob, checked. */
export async function download(
  source: ImageSource,
  blob: Descriptor,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of source.read(blob, 0, signal)) {
      parts.push(chunk);
      size += chunk.length;
      if (size > blob.sizeBytes) {
        throw invalid(`${blob.digest} has more than the ${blob.sizeBytes} bytes its manifest says`);
      }
      progress(size);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw size > blob.sizeBytes ? error : withDigest(blob, error);
  }
  if (size < blob.sizeBytes) throw internal(`${blob.digest} ended after ${size} of ${blob.sizeBytes} bytes`);
  const bytes = Buffer.concat(parts);
  verify(blob, bytes);
  return bytes;
}

const withDigest = ({ digest }: Descriptor, error: unknown): Error =>
  (error as Error).message.includes(digest)
    ? error as Error
    : new Error(`${digest}: ${(error as Error).message}`, { cause: error });

function verify({ digest, sizeBytes }: Descriptor, bytes: Uint8Array): void {
  if (bytes.length !== sizeBytes || digestOf(bytes) !== digest) {
    throw invalid(`${digest} has other bytes than its digest says`);
  }
}
