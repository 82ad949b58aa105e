/** Images of a few bytes, and the archives that hold them. */
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import type { Descriptor, ImageConfig, ImageSource } from "../../plugins/images/backend.ts";
import { digestOf } from "./fake-checks.ts";

export interface SmallImage {
  readonly id: string;
  readonly config: Uint8Array;
  /** Compressed, as a registry has them. */
  readonly layers: readonly Uint8Array[];
  /** Plain tars, as an archive has them. */
  readonly tars: readonly Uint8Array[];
  readonly source: ImageSource;
}

interface SmallImageOptions {
  readonly created?: string;
  readonly origin?: string;
  readonly history?: ImageConfig["history"];
}

/** Makes an image with one layer for each text. */
export async function smallImage(
  texts: readonly string[],
  config: Partial<ImageConfig["config"]> = {},
  { created = "2024-01-02T03:04:05Z", origin = "registry.test/app", history }: SmallImageOptions = {},
): Promise<SmallImage> {
  const tars = await Promise.all(texts.map((text) => tarOf({ "file": text })));
  const layers = tars.map((tar) => gzipSync(tar));
  const configBytes = encode({
    architecture: "amd64",
    os: "linux",
    created,
    config: { Cmd: ["sh"], ...config },
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
    history,
  });
  return {
    id: digestOf(configBytes),
    config: configBytes,
    layers,
    tars,
    source: sourceOf(configBytes, layers, origin),
  };
}

function sourceOf(
  config: Uint8Array,
  layers: readonly Uint8Array[],
  origin: string | undefined,
): ImageSource {
  const blobs = new Map([config, ...layers].map((bytes) => [digestOf(bytes), bytes]));
  const describe = (bytes: Uint8Array, mediaType: string): Descriptor => ({
    mediaType,
    digest: digestOf(bytes),
    sizeBytes: bytes.length,
  });
  const configDescriptor = describe(config, "application/vnd.oci.image.config.v1+json");
  const layerDescriptors = layers.map((each) =>
    describe(each, "application/vnd.oci.image.layer.v1.tar+gzip")
  );
  const bytes = manifestBytes(configDescriptor, layerDescriptors);
  return {
    ...(origin !== undefined && { origin }),
    manifest: { ...describe(bytes, manifestType), bytes },
    config: configDescriptor,
    layers: layerDescriptors,
    async *read(blob, offset) {
      const all = blobs.get(blob.digest);
      if (!all) throw new Error(`no blob ${blob.digest}`);
      yield all.subarray(offset);
    },
  };
}

export const manifestType = "application/vnd.oci.image.manifest.v1+json";

const manifestBytes = (config: Descriptor, layers: readonly Descriptor[]) => {
  const inOciTerms = ({ mediaType, digest, sizeBytes: size }: Descriptor) => ({ mediaType, digest, size });
  return encode({
    schemaVersion: 2,
    mediaType: manifestType,
    config: inOciTerms(config),
    layers: layers.map(inOciTerms),
  });
};

/** JSON as bytes. */
export const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** A tar of these files. */
export async function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Uint8Array> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    tar.entry({ name, mtime: new Date(0) }, Buffer.from(bytes));
  }
  tar.finalize();
  const parts: Uint8Array[] = [];
  for await (const chunk of tar as unknown as AsyncIterable<Uint8Array>) parts.push(chunk);
  return Buffer.concat(parts);
}

/** What `docker save` writes for an image. */
export function dockerArchive(image: SmallImage, names: readonly string[]): Promise<Uint8Array> {
  const layers = image.tars.map((_, at) => `layer${at}/layer.tar`);
  return tarOf({
    "manifest.json": encode([{ Config: "config.json", RepoTags: names, Layers: layers }]),
    "config.json": image.config,
    ...Object.fromEntries(image.tars.map((tar, at) => [`layer${at}/layer.tar`, tar])),
  });
}

/** An OCI layout with one image. */
export function ociArchive(image: SmallImage, annotations: Record<string, string>): Promise<Uint8Array> {
  const { manifest } = image.source;
  const blobs = [manifest.bytes, image.config, ...image.layers];
  return tarOf({
    "oci-layout": encode({ imageLayoutVersion: "1.0.0" }),
    "index.json": encode({
      schemaVersion: 2,
      manifests: [{
        mediaType: manifest.mediaType,
        digest: manifest.digest,
        size: manifest.sizeBytes,
        annotations,
      }],
    }),
    ...Object.fromEntries(
      blobs.map((bytes) => [`blobs/sha256/${digestOf(bytes).slice("sha256:".length)}`, bytes]),
    ),
  });
}
