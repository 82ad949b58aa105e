/** The images in an archive: `docker save`'s format, and OCI layouts. */
import { createHash } from "node:crypto";
import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource, Platform } from "../backend.ts";
import {
  type ArchivedImage,
  metadataLimitBytes,
  mostImages,
  readFile,
  type WantedPlatform,
} from "./archived-image.ts";
import { isGzip, isZstd } from "./compressions.ts";
import { ociImages } from "./oci-layout.ts";
import { isFor, platformText } from "./requested-platform.ts";
import { type Archive, readSmall } from "./spool.ts";
import type { SpooledFile } from "./spool-file.ts";

/**
 * Images of an archive. Many archives are in both formats: the layout's manifests are then taken byte for byte, and
 * names from both. Errors: `invalid` for what is in neither, or has nothing for the platform.
 */
export async function imagesOf(archive: Archive, wanted: WantedPlatform): Promise<ArchivedImage[]> {
  const [isLayout, isDocker] = ["index.json", "manifest.json"].map((name) => archive.get(name) !== undefined);
  if (!isLayout && !isDocker) {
    throw invalid(
      "the archive is neither from docker save nor an OCI layout: it has no manifest.json or index.json",
    );
  }
  const inLayout = isLayout ? await ociImages(archive, wanted) : [];
  const inDocker = isDocker ? await dockerImages(archive, wanted) : [];
  const images = joined(inLayout, inDocker);
  if (images.length === 0) throw invalid(`the archive has no image for ${platformText(wanted.platform)}`);
  return images;
}

/** An image that both formats list is the same one: its configuration tells. */
function joined(inLayout: readonly ArchivedImage[], inDocker: readonly ArchivedImage[]): ArchivedImage[] {
  const byId = new Map<string, ArchivedImage>();
  for (const { names, source } of [...inLayout, ...inDocker]) {
    const id = source.config.digest;
    const known = byId.get(id);
    byId.set(id, { names: [...known?.names ?? [], ...names], source: known?.source ?? source });
  }
  return [...byId.values()];
}

/** `manifest.json`. Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format". */
async function dockerImages(archive: Archive, wanted: WantedPlatform): Promise<ArchivedImage[]> {
  const list = await archive.json("manifest.json", metadataLimitBytes);
  if (!Array.isArray(list)) throw invalid("manifest.json in the archive is not a list");
  if (list.length > mostImages) throw invalid(`the archive has more than ${mostImages} images`);
  const images = list.map((entry) => dockerImage(archive, entry));
  if (!wanted.asked) return images.map(({ image }) => image);
  const platforms = await Promise.all(images.map(({ config }) => platformOf(config)));
  return images.filter((_, at) => isFor(platforms[at], wanted.platform)).map(({ image }) => image);
}

/** What a configuration says it runs on; the store refuses those that are no configurations. */
async function platformOf(config: SpooledFile): Promise<Partial<Platform>> {
  try {
    const { os, architecture, variant } = JSON.parse(
      new TextDecoder().decode(await readSmall(config, metadataLimitBytes)),
    );
    return { os, architecture, variant };
  } catch (error) {
    throw invalid("the archive has an image configuration that is not JSON", error);
  }
}

function dockerImage(archive: Archive, entry: unknown): { config: SpooledFile; image: ArchivedImage } {
  const { Config, RepoTags, Layers } = (entry ?? {}) as Record<string, unknown>;
  if (typeof Config !== "string" || !isStrings(Layers) || !isStrings(RepoTags ?? [])) {
    throw invalid("manifest.json in the archive has an entry without Config and Layers");
  }
  const config = fileNamed(archive, Config);
  const layers = Layers.map((name) => fileNamed(archive, name));
  const files = new Map([config, ...layers].map((file) => [file.digest, file]));
  const source = {
    ...madeManifest(config, layers),
    read: (blob: Descriptor, offset: number) => readFile(files, blob, offset),
  };
  return { config, image: { names: (RepoTags ?? []) as string[], source } };
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");

function fileNamed(archive: Archive, name: string): SpooledFile {
  const file = archive.get(name);
  if (!file) throw invalid(`the archive's manifest.json names ${name.slice(0, 200)}, which is not in it`);
  return file;
}

/** `docker save` writes no registry manifest; the image gets one that says what the archive holds. */
function madeManifest(config: SpooledFile, layers: readonly SpooledFile[]): Omit<ImageSource, "read"> {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const configDescriptor = descriptorOf(config, "application/vnd.oci.image.config.v1+json");
  const layerDescriptors = layers.map((file) =>
    descriptorOf(file, `application/vnd.oci.image.layer.v1.tar${compressionOf(file)}`)
  );
  const inOciTerms = ({ mediaType, digest, sizeBytes: size }: Descriptor) => ({ mediaType, digest, size });
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: inOciTerms(configDescriptor),
    layers: layerDescriptors.map(inOciTerms),
  }));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return {
    manifest: { mediaType, digest, sizeBytes: bytes.length, bytes },
    config: configDescriptor,
    layers: layerDescriptors,
  };
}

const compressionOf = ({ start }: SpooledFile) => isGzip(start) ? "+gzip" : isZstd(start) ? "+zstd" : "";

const descriptorOf = ({ digest, sizeBytes }: SpooledFile, mediaType: string): Descriptor => ({
  mediaType,
  digest,
  sizeBytes,
});
