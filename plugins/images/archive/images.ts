/** The images in an archive: `docker save`'s format, and OCI layouts. */
import { createHash } from "node:crypto";
import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource, Platform } from "../backend.ts";
import { type ArchivedImage, metadataLimitBytes, readFile } from "./archived-image.ts";
import { isGzip } from "./decompress.ts";
import { ociImages } from "./oci-layout.ts";
import type { Archive, SpooledFile } from "./spool.ts";

/** Images of an archive. Errors: `invalid` for what is neither format. */
export async function imagesOf(archive: Archive, platform: Platform): Promise<ArchivedImage[]> {
  if (archive.get("manifest.json")) return await dockerImages(archive);
  if (archive.get("index.json")) return await ociImages(archive, platform);
  throw invalid(
    "the archive is neither from docker save nor an OCI layout: it has no manifest.json or index.json",
  );
}

/** `manifest.json`. Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format". */
async function dockerImages(archive: Archive): Promise<ArchivedImage[]> {
  const list = await archive.json("manifest.json", metadataLimitBytes);
  if (!Array.isArray(list)) throw invalid("manifest.json in the archive is not a list");
  return list.map((entry) => dockerImage(archive, entry));
}

function dockerImage(archive: Archive, entry: unknown): ArchivedImage {
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
  return { names: (RepoTags ?? []) as string[], source };
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
    descriptorOf(file, `application/vnd.oci.image.layer.v1.tar${isGzip(file.start) ? "+gzip" : ""}`)
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

const descriptorOf = ({ digest, sizeBytes }: SpooledFile, mediaType: string): Descriptor => ({
  mediaType,
  digest,
  sizeBytes,
});
