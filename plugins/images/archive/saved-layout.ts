/**
 * What `docker save` writes since Docker 25: one tar that is an OCI layout and Docker's own format at once. Sources:
 * OCI image spec, "Image Layout"; Docker image specification v1.2; Docker Engine 28.5, asked.
 */
import type { Descriptor, StoredImage, StoredManifest } from "../backend.ts";
import { createdSeconds } from "../created.ts";
import { familiarName, type Reference } from "../reference.ts";
import type { TarEntry } from "./tar-writer.ts";

/** An image that is to be saved, with the tags it is saved by. */
export interface SavedImage {
  readonly image: StoredImage;
  /** Each with a tag. None for an image that was asked for by its ID. */
  readonly tags: readonly Reference[];
  /** False leaves out the index it came through and the attestations in it. */
  readonly withIndex: boolean;
}

/** The largest time that a tar header's writer takes, in seconds since 1970. */
const latestSeconds = 2 ** 31 - 1;
const epoch = new Date(0);

/**
 * The archive's entries in a fixed order: what tells what the archive is, then manifests and configurations, then
 * layers, each blob once. The same images give the same bytes each time.
 *
 * @param read gives a blob's bytes
 */
export function savedEntries(
  images: readonly SavedImage[],
  read: (blob: Descriptor) => AsyncIterable<Uint8Array>,
): TarEntry[] {
  const files = [
    jsonEntry("oci-layout", { imageLayoutVersion: "1.0.0" }),
    jsonEntry("index.json", indexOf(images)),
    jsonEntry("manifest.json", images.map(dockerManifest)),
    ...repositoriesEntry(images),
  ];
  const directories = ["blobs/", "blobs/sha256/"].map((name) => entryOf(name, 0, epoch, nothing));
  return [...files, ...directories, ...blobEntries(images, read)];
}

function blobEntries(
  images: readonly SavedImage[],
  read: (blob: Descriptor) => AsyncIterable<Uint8Array>,
): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const add = (blob: Descriptor, mtime: Date) => {
    if (entries.has(blob.digest)) return;
    entries.set(blob.digest, entryOf(blobPath(blob), blob.sizeBytes, mtime, () => read(blob)));
  };
  for (const saved of images) {
    manifestsOf(saved).forEach((blob) => add(blob, epoch));
    add(saved.image.configBlob, createdAt(saved.image));
  }
  for (const saved of images) layersOf(saved).forEach((blob) => add(blob, createdAt(saved.image)));
  return [...entries.values()];
}

const attestationsOf = ({ image, withIndex }: SavedImage): readonly StoredManifest[] =>
  withIndex ? image.attestations ?? [] : [];

/** The manifest that the archive's index names: the image's index when it has one. */
const rootOf = ({ image, withIndex }: SavedImage): Descriptor =>
  withIndex && image.index ? image.index : image.manifest;

const manifestsOf = (saved: SavedImage): Descriptor[] => [
  rootOf(saved),
  saved.image.manifest,
  ...attestationsOf(saved).flatMap(({ manifest, config }) => [manifest, config]),
];

const layersOf = (saved: SavedImage): Descriptor[] => [
  ...saved.image.layers,
  ...attestationsOf(saved).flatMap(({ layers }) => layers),
];

/** Docker names an image once for each of its tags. */
function indexOf(images: readonly SavedImage[]) {
  return {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: images.flatMap((saved) => {
      const { mediaType, digest, sizeBytes: size } = rootOf(saved);
      const descriptor = { mediaType, digest, size };
      if (saved.tags.length === 0) return [descriptor];
      return saved.tags.map((tag) => ({ ...descriptor, annotations: annotationsOf(tag) }));
    }),
  };
}

const annotationsOf = ({ domain, path, tag }: Reference) => ({
  "io.containerd.image.name": `${domain}/${path}:${tag}`,
  "org.opencontainers.image.ref.name": tag,
});

const dockerManifest = ({ image, tags }: SavedImage) => ({
  Config: blobPath(image.configBlob),
  RepoTags: tags.length === 0 ? null : tags.map((tag) => `${familiarName(tag)}:${tag.tag}`),
  Layers: image.layers.map(blobPath),
});

/** What clients before Docker 1.10 read: the top layer of each name. */
function repositoriesEntry(images: readonly SavedImage[]): TarEntry[] {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, tags } of images) {
    const top = image.layers.at(-1);
    for (const reference of top ? tags : []) {
      const tagged = repositories[familiarName(reference)] ??= {};
      tagged[reference.tag ?? ""] = hex(top as Descriptor);
    }
  }
  return Object.keys(repositories).length > 0 ? [jsonEntry("repositories", repositories)] : [];
}

const hex = ({ digest }: Descriptor) => digest.slice("sha256:".length);

const blobPath = (blob: Descriptor) => `blobs/sha256/${hex(blob)}`;

function createdAt({ config }: StoredImage): Date {
  return new Date(Math.min(Math.max(createdSeconds(config.created), 0), latestSeconds) * 1000);
}

function jsonEntry(name: string, value: unknown): TarEntry {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return entryOf(name, bytes.length, epoch, async function* () {
    yield bytes;
  });
}

async function* nothing(): AsyncIterable<Uint8Array> {}

const entryOf = (
  name: string,
  sizeBytes: number,
  mtime: Date,
  content: () => AsyncIterable<Uint8Array>,
): TarEntry => ({ name, sizeBytes, mtime, content });
