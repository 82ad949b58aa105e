/** The images in an archive: `docker save`'s format, and OCI layouts. */
import { invalid } from "../../../core/support/errors.ts";
import { formatPlatform } from "../platform.ts";
import { familiar, parseReference } from "../reference.ts";
import { type ArchivedImage, spooledBlobs, type WantedPlatform } from "./archived-image.ts";
import { metadataLimitBytes, mostImages } from "./limits.ts";
import { configDescriptor, layerDescriptor, madeManifest } from "./made-manifest.ts";
import { ociImages } from "./oci-layout.ts";
import { isFor } from "./requested-platform.ts";
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
  if (images.length === 0) throw invalid(`the archive has no image for ${formatPlatform(wanted.platform)}`);
  return images;
}

/** An image that both formats list is the same one: its configuration tells. The layout may have several of one. */
function joined(inLayout: readonly ArchivedImage[], inDocker: readonly ArchivedImage[]): ArchivedImage[] {
  const images = [...inLayout];
  for (const { names, source } of inDocker) {
    const same = images.filter((each) => each.source.config.digest === source.config.digest);
    const known = new Set(same.flatMap((each) => each.names).map(spelling));
    const more = names.filter((name) => !known.has(spelling(name)));
    const [first] = same;
    if (!first) images.push({ names, source });
    else images[images.indexOf(first)] = { ...first, names: [...first.names, ...more] };
  }
  return images;
}

const spelling = (name: string) => familiar(parseReference(name));

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
async function platformOf(config: SpooledFile): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await readSmall(config, metadataLimitBytes)));
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
    ...madeManifest(configDescriptor(config), layers.map(layerDescriptor)),
    ...spooledBlobs(files),
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
