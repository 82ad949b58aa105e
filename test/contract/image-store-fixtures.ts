/** Small images made on the spot, and sources that serve them: honestly, brokenly or with intent. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { pause } from "../../core/support/deadline.ts";
import type { Descriptor, Document, ImageSource, SourceManifest } from "../../plugins/images/backend.ts";

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A layer: what travels, and what it unpacks to. */
export interface Layer {
  readonly blob: Uint8Array;
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

/** A tar of these files; names that end in a slash are directories. */
export async function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) {
    const mtime = new Date(0);
    if (name.endsWith("/")) tar.entry({ name, type: "directory", mtime });
    else tar.entry({ name, mtime }, Buffer.from(content as Uint8Array));
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A gzipped layer of these files. */
export async function layerOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Layer> {
  return gzippedLayer(await tarOf(files));
}

export function gzippedLayer(tar: Uint8Array): Layer {
  const blob = gzipSync(tar, { level: 1 });
  return {
    blob,
    diffId: sha256(tar),
    descriptor: {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: sha256(blob),
      sizeBytes: blob.length,
    },
  };
}

/** A layer that travels as it is. */
export function plainLayer(tar: Uint8Array): Layer {
  return {
    blob: tar,
    diffId: sha256(tar),
    descriptor: {
      mediaType: "application/vnd.docker.image.rootfs.diff.tar",
      digest: sha256(tar),
      sizeBytes: tar.length,
    },
  };
}

/** What may be told differently from how it is. */
export interface Lies {
  readonly diffIds?: readonly string[];
  readonly config?: Uint8Array;
}

/** An image of these layers, from somebody called `origin` or from an archive. */
export function imageOf(layers: readonly Layer[], origin: string | undefined, lies: Lies = {}): FakeSource {
  const config = lies.config ?? Buffer.from(JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: lies.diffIds ?? layers.map((layer) => layer.diffId) },
  }));
  const configDescriptor = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: sha256(config),
    sizeBytes: config.length,
  };
  const blobs = new Map([[configDescriptor.digest, config]]);
  for (const { blob, descriptor } of layers) blobs.set(descriptor.digest, blob);
  return new FakeSource(origin, configDescriptor, layers.map((layer) => layer.descriptor), blobs);
}

/** Bytes as a document of this kind. */
export const documentOf = (bytes: Uint8Array, mediaType: string): Document => ({
  mediaType,
  digest: sha256(bytes),
  sizeBytes: bytes.length,
  bytes,
});

const inOciTerms = ({ mediaType, digest, sizeBytes }: Descriptor) => ({
  mediaType,
  digest,
  size: sizeBytes,
});

/** A manifest that names these blobs. */
export const manifestOf = (config: Descriptor, layers: readonly Descriptor[]): Document =>
  documentOf(
    Buffer.from(JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: inOciTerms(config),
      layers: layers.map(inOciTerms),
    })),
    "application/vnd.oci.image.manifest.v1+json",
  );

/** An index that lists these manifests. */
export const indexOf = (manifests: readonly Descriptor[]): Document =>
  documentOf(
    Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: manifests.map(inOciTerms) })),
    "application/vnd.oci.image.index.v1+json",
  );

/** An attestation with these statements, which the source serves from now on. */
export function attestationOf(source: FakeSource, statements: readonly string[]): SourceManifest {
  const serve = (text: string, mediaType: string) => {
    const { bytes, ...descriptor } = documentOf(Buffer.from(text), mediaType);
    source.blobs.set(descriptor.digest, bytes);
    return descriptor;
  };
  const config = serve(`{"of":${JSON.stringify(statements)}}`, "application/vnd.oci.image.config.v1+json");
  const layers = statements.map((text) => serve(text, "application/vnd.in-toto+json"));
  return { manifest: manifestOf(config, layers), config, layers };
}

/** Puts an image behind an index that lists it with attestations, and with manifests of other platforms. */
export function indexed(
  source: FakeSource,
  attestations: readonly SourceManifest[],
  others: readonly Descriptor[] = [],
): FakeSource {
  source.index = indexOf([source.manifest, ...attestations.map((each) => each.manifest), ...others]);
  source.attestations = attestations;
  return source;
}

/** A source that counts what was read from it. */
export class FakeSource implements ImageSource {
  readonly origin: string | undefined;
  readonly manifest: ImageSource["manifest"];
  index?: Document;
  attestations?: readonly SourceManifest[];
  anonymous?: boolean;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** The digests that were read, one entry a read. */
  readonly reads: string[] = [];
  /** What is served; change an entry to serve other bytes, delete it to serve none. */
  readonly blobs: Map<string, Uint8Array>;
  /** Awaited before each chunk: hold it to keep a download under way. */
  gate: () => Promise<void> | void = () => {};
  /** While true, the source keeps the connection and sends nothing. */
  stalls: () => boolean = () => false;
  /** Reads that break after their first chunk, so many times. */
  breaks = 0;
  chunkBytes = 64 * 1024;

  constructor(
    origin: string | undefined,
    config: Descriptor,
    layers: readonly Descriptor[],
    blobs: Map<string, Uint8Array>,
  ) {
    this.origin = origin;
    this.config = config;
    this.layers = layers;
    this.blobs = blobs;
    this.manifest = manifestOf(config, layers);
  }

  async *read(blob: Descriptor, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.reads.push(blob.digest);
    const bytes = this.blobs.get(blob.digest);
    if (!bytes) throw new Error("blob unknown to registry");
    while (this.stalls()) {
      yield new Uint8Array();
      await pause(10, signal);
    }
    for (let at = offset; at < bytes.length; at += this.chunkBytes) {
      await this.gate();
      signal.throwIfAborted();
      yield bytes.subarray(at, at + this.chunkBytes);
      if (this.breaks > 0) {
        this.breaks--;
        throw new Error("connection reset");
      }
    }
  }
}
