/** Small JSON of images: reading it whole, and writing the manifest of an image that brought none. */
import { createHash } from "node:crypto";
import { internal, invalid } from "../../core/support/errors.ts";
import type { Descriptor } from "../images/backend.ts";
import type { ImagesToPush, ManifestBytes } from "./backend.ts";
import type { Compressed } from "./pushed-blobs.ts";

/** A manifest is larger than this only to hurt, in bytes. The distribution spec's own recommendation. */
const manifestLimitBytes = 4 * 1024 * 1024;

const schema2 = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

/** A manifest or an index with its bytes, exactly as it came. */
export async function readDocument(
  images: ImagesToPush,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<ManifestBytes> {
  const { digest, mediaType, sizeBytes } = descriptor;
  if (sizeBytes > manifestLimitBytes) {
    throw invalid(`manifest ${digest} is larger than ${manifestLimitBytes} bytes`);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of images.read(descriptor, 0, signal)) {
    size += chunk.length;
    if (size > sizeBytes) break;
    parts.push(chunk);
  }
  if (size !== sizeBytes) throw internal(`manifest ${digest} does not have the ${sizeBytes} bytes it should`);
  return { mediaType, digest, sizeBytes, bytes: Buffer.concat(parts) };
}

/** The digests that an index lists. */
export function listedDigests({ bytes, digest }: ManifestBytes): string[] {
  const body = JSON.parse(new TextDecoder().decode(bytes)) as { manifests?: { digest?: unknown }[] };
  return (body.manifests ?? []).map((entry) => {
    if (typeof entry?.digest === "string") return entry.digest;
    throw invalid(`index ${digest} lists something without a digest`);
  });
}

/**
 * The manifest that Docker's daemon writes for an image without one, to the byte: schema 2, three spaces deep.
 * Source: Docker image manifest V2, schema 2; Docker Engine 28.5, asked.
 */
export function schema2Manifest(config: Descriptor, layers: readonly Compressed[]): ManifestBytes {
  const text = JSON.stringify(
    {
      schemaVersion: 2,
      mediaType: schema2.manifest,
      config: { mediaType: schema2.config, size: config.sizeBytes, digest: config.digest },
      layers: layers.map(({ digest, sizeBytes }) => ({ mediaType: schema2.layer, size: sizeBytes, digest })),
    },
    null,
    3,
  );
  const bytes = new TextEncoder().encode(text);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType: schema2.manifest, digest, sizeBytes: bytes.length, bytes };
}
