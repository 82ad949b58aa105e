import { createHash } from "node:crypto";

/**
 * Label of a blob: the digest of its bytes after decompression, written only after containerd unpacked them and
 * reported it. The name is the one that containerd's own tools use.
 */
export const uncompressedLabel = "containerd.io/uncompressed";

const originPrefix = "berth/origin.";

/**
 * Label of a blob that says: this origin served these very bytes. An origin can be longer than a label may be,
 * so its hash stands for it; 128 bits, so that nobody finds a second origin with the same.
 */
export function originLabel(origin: string): string {
  return originPrefix + createHash("sha256").update(origin).digest("hex").slice(0, 32);
}

/** Origins on record for one blob. Another one has to bring the bytes each time, which is slow and right. */
const maxOrigins = 64;

/** The label that records an origin of a blob; none for archives, and none when the blob's record is full. */
export function originRecord(
  origin: string | undefined,
  blob: { readonly labels: Readonly<Record<string, string>> } | undefined,
): Record<string, string> {
  const recorded = Object.keys(blob?.labels ?? {}).filter((name) => name.startsWith(originPrefix)).length;
  if (origin === undefined || recorded >= maxOrigins) return {};
  return { [originLabel(origin)]: new Date().toISOString() };
}

/** The labels that let garbage collection find an image's configuration and layers from its manifest. */
export function manifestReferences(
  configDigest: string,
  layerDigests: readonly string[],
): Record<string, string> {
  const labels: Record<string, string> = { "containerd.io/gc.ref.content.config": configDigest };
  layerDigests.forEach((digest, index) => labels[`containerd.io/gc.ref.content.l.${index}`] = digest);
  return labels;
}

/** The label that lets garbage collection find the unpacked layers from an image's configuration. */
export function snapshotReference(snapshotter: string, chainId: string | undefined): Record<string, string> {
  return chainId === undefined ? {} : { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: chainId };
}
