/** Small images made on the spot, and sources that serve them: honestly, brokenly or with intent. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { pause } from "../../core/support/deadline.ts";
import type { Descriptor, ImageSource } from "../../plugins/images/backend.ts";

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

/** A source that counts what was read from it. */
export class FakeSource implements ImageSource {
  readonly origin: string | undefined;
  readonly manifest: ImageSource["manifest"];
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
    const bytes = Buffer.from(JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType: config.mediaType, digest: config.digest, size: config.sizeBytes },
      layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
    }));
    this.origin = origin;
    this.config = config;
    this.layers = layers;
    this.blobs = blobs;
    this.manifest = {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: sha256(bytes),
      sizeBytes: bytes.length,
      bytes,
    };
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
