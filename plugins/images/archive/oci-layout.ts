import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource, Platform } from "../backend.ts";
import { type ArchivedImage, metadataLimitBytes, readFile } from "./archived-image.ts";
import { type Archive, readSmall, type SpooledFile } from "./spool.ts";

/** A descriptor as it stands in OCI JSON. */
interface OciDescriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Partial<Platform>;
}

/** The images of an OCI layout for one platform. Source: OCI image spec, "Image Layout". */
export async function ociImages(archive: Archive, platform: Platform): Promise<ArchivedImage[]> {
  const index = await archive.json("index.json", metadataLimitBytes) as { manifests?: unknown };
  const entries = descriptors(index?.manifests, "index.json");
  const found = await Promise.all(
    entries.map((entry) => ociImage(archive, entry, platform, entryNames(entry))),
  );
  const images = merged(found.filter((each) => each !== undefined));
  if (images.length === 0) {
    throw invalid(`the archive has no image for ${platform.os}/${platform.architecture}`);
  }
  return images;
}

/** An image listed once for each of its names becomes one image. */
function merged(images: readonly ArchivedImage[]): ArchivedImage[] {
  const byDigest = new Map<string, ArchivedImage>();
  for (const image of images) {
    const { digest } = image.source.manifest;
    const names = [...byDigest.get(digest)?.names ?? [], ...image.names];
    byDigest.set(digest, { ...image, names: [...new Set(names)] });
  }
  return [...byDigest.values()];
}

/** Tools write whole names into the one annotation and often a tag alone, which names nothing, into the other. */
function entryNames({ annotations }: OciDescriptor): string[] {
  const full = annotations?.["io.containerd.image.name"];
  const short = annotations?.["org.opencontainers.image.ref.name"];
  const name = full ?? (short && /[/:]/.test(short) ? short : undefined);
  return typeof name === "string" ? [name] : [];
}

async function ociImage(
  archive: Archive,
  entry: OciDescriptor,
  platform: Platform,
  names: readonly string[],
  depth = 0,
): Promise<ArchivedImage | undefined> {
  if (!runsOn(entry.platform, platform)) return undefined;
  const { body, bytes } = await manifestBlob(archive, entry);
  if (body.manifests === undefined) return { names, source: sourceOf(archive, entry, body, bytes) };
  if (depth > 2) throw invalid("the archive's index lists indexes within indexes");
  for (const inner of descriptors(body.manifests, entry.digest)) {
    const image = await ociImage(archive, inner, platform, names, depth + 1);
    if (image) return image;
  }
  return undefined;
}

const runsOn = (offered: Partial<Platform> | undefined, wanted: Platform) =>
  offered === undefined || (offered.os === wanted.os && offered.architecture === wanted.architecture);

async function manifestBlob(archive: Archive, { digest }: OciDescriptor) {
  const file = blobOf(archive, digest);
  if (file?.digest !== digest) throw invalid(`the archive does not have the blob ${digest}`);
  const bytes = await readSmall(file, metadataLimitBytes);
  const body = await archive.json(blobName(digest), metadataLimitBytes) as Record<string, unknown> | null;
  if (typeof body !== "object" || body === null) throw invalid(`the manifest ${digest} is not an object`);
  return { body, bytes };
}

function sourceOf(
  archive: Archive,
  { digest, mediaType }: OciDescriptor,
  body: Record<string, unknown>,
  bytes: Uint8Array,
): ImageSource {
  const [config] = descriptors([body.config], digest);
  if (!config) throw invalid(`the manifest ${digest} has no config`);
  const layers = descriptors(body.layers, digest);
  const files = new Map<string, SpooledFile>();
  for (const blob of [config, ...layers]) {
    const file = blobOf(archive, blob.digest);
    if (file) files.set(blob.digest, file);
  }
  const named = typeof body.mediaType === "string" ? body.mediaType : mediaType;
  return {
    manifest: {
      mediaType: named ?? "application/vnd.oci.image.manifest.v1+json",
      digest,
      sizeBytes: bytes.length,
      bytes,
    },
    config: inOurTerms(config),
    layers: layers.map(inOurTerms),
    read: (blob, offset) => readFile(files, blob, offset),
  };
}

const inOurTerms = ({ mediaType = "", digest, size }: OciDescriptor): Descriptor => ({
  mediaType,
  digest,
  sizeBytes: size,
});

const blobName = (digest: string) => `blobs/${digest.replace(":", "/")}`;

const blobOf = (archive: Archive, digest: string) => archive.get(blobName(digest));

function descriptors(raw: unknown, where: string): OciDescriptor[] {
  const isDescriptor = (each: unknown): each is OciDescriptor => {
    const { digest, size, mediaType } = (each ?? {}) as Record<string, unknown>;
    return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest) &&
      typeof size === "number" && Number.isSafeInteger(size) && size >= 0 &&
      (mediaType === undefined || typeof mediaType === "string");
  };
  if (!Array.isArray(raw) || !raw.every(isDescriptor)) throw invalid(`${where} in the archive is malformed`);
  return raw;
}
