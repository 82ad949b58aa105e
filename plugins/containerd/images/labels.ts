import { createHash } from "node:crypto";

/**
 * Label of a blob: the digest of its bytes after decompression, written only after containerd unpacked them and
 * reported it. The name is the one that containerd's own tools use.
 */
export const uncompressedLabel = "containerd.io/uncompressed";

/**
 * Label of a manifest: when an ingest last used it, as ISO time. Written a moment after, so that no pull waits for it;
 * what is used least recently leaves the cache first.
 */
export const usedLabel = "berth/used";

/** Start of the labels of a manifest that tell, in clear, an origin it came from as a whole: for listings. */
export const namePrefix = "berth/name.";

const originPrefix = "berth/origin.";
const completePrefix = "berth/complete.";

/** Origins on record for one blob. Another one has to bring the bytes each time, which is slow and right. */
const maxOrigins = 64;

/** Label of a blob that says: this origin served these very bytes. */
export const originLabel = (origin: string): string => originPrefix + hashOf(origin);

/**
 * Label of a manifest that says: the whole image came from this origin, every part of it, and was unpacked. Not
 * the same as {@link originLabel}: a registry can serve the bytes of
 * somebody's manifest as if they were a layer, and so get that label without having the image.
 */
export const completeLabel = (origin: string): string => completePrefix + hashOf(origin);

/** The labels of a blob that is there, if it is. */
type Labelled = { readonly labels: Readonly<Record<string, string>> } | undefined;

/** The label that records an origin of a blob; none for archives, and none when the blob's record is full. */
export function originRecord(origin: string | undefined, blob: Labelled): Record<string, string> {
  if (origin === undefined || isFull(blob, originPrefix)) return {};
  return { [originLabel(origin)]: new Date().toISOString() };
}

/** The label that records an origin of a whole image. */
export function completeRecord(
  origin: string | undefined,
  manifest: Labelled,
): Record<string, string> {
  if (origin === undefined || isFull(manifest, completePrefix)) return {};
  return { [completeLabel(origin)]: new Date().toISOString() };
}

const isFull = (blob: Labelled, prefix: string): boolean =>
  Object.keys(blob?.labels ?? {}).filter((name) => name.startsWith(prefix)).length >= maxOrigins;

/** An origin can be longer than a label may be. 128 bits, so that nobody finds a second origin with the same. */
const hashOf = (origin: string): string => createHash("sha256").update(origin).digest("hex").slice(0, 32);

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
