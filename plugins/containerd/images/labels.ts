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

/** Label of a blob that says: these very bytes were served to a pull without credentials. Every origin may reuse them. */
export const publicLabel = "berth/public";

const originPrefix = "berth/origin.";
const completePrefix = "berth/complete.";
const indexPrefix = "containerd.io/gc.ref.content.index.";
const attestationPrefix = "containerd.io/gc.ref.content.attestation.";

/** Origins on record for one blob. Another one has to bring the bytes each time, which is slow and right. */
const maxOrigins = 64;

/** Indexes that a manifest keeps in the cache, each with its attestations; those of more origins go with their jobs. */
const maxIndexes = 8;

/** Longest origin that is told in clear, in characters; containerd refuses a label of more than 4,096 bytes. */
const longestName = 1024;

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

/** What the labels need to know of who served something. */
export interface Server {
  /** Undefined for archives. */
  readonly origin?: string;
  readonly anonymous?: boolean;
}

/**
 * The labels that record who served a blob's bytes just now; none for archives. A full record takes no further origin,
 * which then has to bring the bytes each time.
 */
export function servedRecord({ origin, anonymous }: Server, blob: Labelled): Record<string, string> {
  if (origin === undefined) return {};
  const now = new Date().toISOString();
  return {
    ...(!isFull(blob, originPrefix, maxOrigins) && { [originLabel(origin)]: now }),
    ...(anonymous && { [publicLabel]: now }),
  };
}

/** The label that records an origin of all that a manifest refers to. */
export function completeRecord(origin: string | undefined, manifest: Labelled): Record<string, string> {
  if (origin === undefined || isFull(manifest, completePrefix, maxOrigins)) return {};
  return { [completeLabel(origin)]: new Date().toISOString() };
}

/** The labels that tell people and the cache who brought an image, and that it is used now. */
export function useRecord(origin: string | undefined, manifest: Labelled): Record<string, string> {
  const used = { [usedLabel]: new Date().toISOString() };
  if (origin === undefined || isFull(manifest, namePrefix, maxOrigins)) return used;
  return { ...used, [namePrefix + hashOf(origin)]: origin.slice(0, longestName) };
}

const isFull = (blob: Labelled, prefix: string, most: number): boolean =>
  Object.keys(blob?.labels ?? {}).filter((name) => name.startsWith(prefix)).length >= most;

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

/**
 * The labels that keep, with a manifest in the cache, the index it came through and its attestations. They lead from
 * the manifest to the index, and not back: an index serves several platforms, and would keep them all for each. One
 * index an origin: a later one takes the place of the one before. What a job holds does not hang on these.
 */
export function indexReferences(
  origin: string | undefined,
  indexDigest: string | undefined,
  attestationDigests: readonly string[],
  manifest: Labelled,
): Record<string, string> {
  if (origin === undefined || indexDigest === undefined) return {};
  const hash = hashOf(origin);
  const known = manifest?.labels ?? {};
  if (known[indexPrefix + hash] === undefined && isFull(manifest, indexPrefix, maxIndexes)) return {};
  const labels: Record<string, string> = { [indexPrefix + hash]: indexDigest };
  for (const name of Object.keys(known)) {
    // containerd takes an empty value for the label's removal.
    if (name.startsWith(`${attestationPrefix}${hash}.`)) labels[name] = "";
  }
  attestationDigests.forEach((digest, at) => labels[`${attestationPrefix}${hash}.${at}`] = digest);
  return labels;
}

/** The label that lets garbage collection find the unpacked layers from an image's configuration. */
export function snapshotReference(snapshotter: string, chainId: string | undefined): Record<string, string> {
  return chainId === undefined ? {} : { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: chainId };
}
