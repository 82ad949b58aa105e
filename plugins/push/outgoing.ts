/** What of an image goes out: which manifests with which blobs, and what gets the tag. */
import { invalid } from "../../core/support/errors.ts";
import type { Descriptor, StoredImage, StoredManifest } from "../images/backend.ts";
import type { ImagesToPush, ManifestBytes, PushRepository } from "./backend.ts";
import { listedDigests, readDocument } from "./documents.ts";
import { shortDigest } from "./lines.ts";

/** One layer on its way. */
export interface OutgoingLayer {
  /** How the client's lines name it: the start of its diff ID, as with Docker. */
  readonly id: string;
  /** As the job holds it. */
  readonly blob: Descriptor;
  /** The digest of its tar; the blob's own where nobody knows. */
  readonly diffId: string;
  /** True for a plain tar that is compressed on its way. */
  readonly compress: boolean;
}

/** One manifest with what it refers to. */
export interface OutgoingManifest {
  /** Undefined when it is written once its layers are compressed. */
  readonly manifest: Descriptor | undefined;
  readonly config: Descriptor;
  /** The top one first, as Docker lists them. */
  readonly layers: readonly OutgoingLayer[];
}

/** All that one tag needs. */
export interface Outgoing {
  /** The image's own first. */
  readonly manifests: readonly OutgoingManifest[];
  /** Gets the tag when all of it is there; otherwise the image's own manifest does. */
  readonly index?: ManifestBytes;
  /** The index that would have got the tag, were everything it lists at hand. */
  readonly missed?: Descriptor;
}

/**
 * Looks at what the job holds and what the repository has.
 *
 * @param alone leaves the index out: the client asked for one platform
 */
export async function outgoing(
  image: StoredImage,
  { alone, images, repository, signal }: {
    readonly alone: boolean;
    readonly images: ImagesToPush;
    readonly repository: PushRepository;
    readonly signal: AbortSignal;
  },
): Promise<Outgoing> {
  if (alone || !image.index) return { manifests: [ownManifest(image)] };
  const index = await readDocument(images, image.index, signal);
  const held = heldManifests(image, images.all());
  const listed = listedDigests(index);
  for (const digest of listed) {
    if (held.has(digest) || await repository.hasManifest(digest, signal)) continue;
    return { manifests: [ownManifest(image)], missed: image.index };
  }
  const own = fromStored(image, image.config.rootfs.diff_ids);
  const others = listed.filter((digest) => digest !== image.manifest.digest).map((digest) =>
    held.get(digest)
  );
  return { manifests: [own, ...others.filter((each) => each !== undefined)], index };
}

/** By digest, everything that the job's images of the same index hold. */
function heldManifests(image: StoredImage, all: readonly StoredImage[]): Map<string, OutgoingManifest> {
  const held = new Map<string, OutgoingManifest>();
  for (const each of [image, ...all]) {
    held.set(each.manifest.digest, fromStored(each, each.config.rootfs.diff_ids));
    for (const attestation of each.attestations ?? []) {
      held.set(attestation.manifest.digest, fromStored(attestation));
    }
  }
  return held;
}

/** A layer that came in an archive as a plain tar is compressed on its way, as Docker does. */
function ownManifest(image: StoredImage): OutgoingManifest {
  const diffIds = image.config.rootfs.diff_ids;
  const isPlain = (blob: Descriptor, at: number) => blob.digest === diffIds[at];
  if (image.origin !== undefined || !image.layers.some(isPlain)) return fromStored(image, diffIds);
  return {
    manifest: undefined,
    config: image.configBlob,
    layers: image.layers.map((blob, at) => outgoingLayer(blob, diffIds[at], isPlain(blob, at))).reverse(),
  };
}

function fromStored(
  stored: Pick<StoredImage, "manifest" | "layers" | "configBlob"> | StoredManifest,
  diffIds: readonly string[] = [],
): OutgoingManifest {
  return {
    manifest: stored.manifest,
    config: "configBlob" in stored ? stored.configBlob : stored.config,
    layers: stored.layers.map((blob, at) => outgoingLayer(blob, diffIds[at], false)).reverse(),
  };
}

function outgoingLayer(blob: Descriptor, diffId = blob.digest, compress: boolean): OutgoingLayer {
  if (/foreign|nondistributable/.test(blob.mediaType)) {
    throw invalid(
      `layer ${blob.digest} is ${blob.mediaType}, which may not be distributed: build the image without it`,
    );
  }
  return { id: shortDigest(diffId), blob, diffId, compress };
}
