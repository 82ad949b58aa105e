import { createHash } from "node:crypto";
import type { Descriptor, SourceManifest } from "../backend.ts";
import { isGzip, isZstd } from "./compressions.ts";
import type { SpooledFile } from "./spool-file.ts";

const manifestType = "application/vnd.oci.image.manifest.v1+json";

/**
 * The manifest of an image that came without one. Byte for byte what Docker Engine 28.5 makes of the same
 * configuration and layers when it saves them, so that digests are the same on both.
 */
export function madeManifest(config: Descriptor, layers: readonly Descriptor[]): SourceManifest & {
  readonly manifest: Descriptor & { readonly bytes: Uint8Array };
} {
  const inOciTerms = ({ mediaType, digest, sizeBytes: size }: Descriptor) => ({ mediaType, digest, size });
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: inOciTerms(config),
    layers: layers.map(inOciTerms),
  }));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { manifest: { mediaType: manifestType, digest, sizeBytes: bytes.length, bytes }, config, layers };
}

/** A configuration among the files of an archive. */
export const configDescriptor = (
  { digest, sizeBytes }: Pick<SpooledFile, "digest" | "sizeBytes">,
): Descriptor => ({
  mediaType: "application/vnd.oci.image.config.v1+json",
  digest,
  sizeBytes,
});

/** A layer among the files of an archive; its first bytes tell how it is compressed. */
export const layerDescriptor = ({ digest, sizeBytes, start }: SpooledFile): Descriptor => ({
  mediaType: `application/vnd.oci.image.layer.v1.tar${
    isGzip(start) ? "+gzip" : isZstd(start) ? "+zstd" : ""
  }`,
  digest,
  sizeBytes,
});
