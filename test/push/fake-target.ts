/** A job's images and a registry's repository in memory, for the push area. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { internal } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import type { Descriptor, StoredImage } from "../../plugins/images/backend.ts";
import type {
  BlobUpload,
  ImagesToPush,
  ManifestBytes,
  PushRegistries,
  PushRepository,
  PushTarget,
} from "../../plugins/push/backend.ts";
import { PushRequests } from "../../plugins/push/push.ts";
import { PushedBlobs } from "../../plugins/push/pushed-blobs.ts";
import { request } from "../images/area.ts";

export const digestOf = (bytes: string | Uint8Array) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** A repository that has what it was given; `fail` makes an operation throw. */
export class FakeRepository implements PushRepository {
  readonly blobs = new Map<string, Uint8Array>();
  /** By `repository digest`. */
  readonly mountable = new Set<string>();
  readonly manifests = new Map<string, ManifestBytes>();
  readonly log: string[] = [];
  atOnce = 0;
  mostAtOnce = 0;
  fail: (what: string, digest: string) => void = () => {};

  async reach(): Promise<void> {
    this.fail("reach", "");
  }

  async hasBlob(digest: string): Promise<boolean> {
    return this.blobs.has(digest);
  }

  async mountBlob(digest: string, from: string): Promise<boolean> {
    this.log.push(`mount ${from}`);
    return this.mountable.has(`${from} ${digest}`);
  }

  async uploadBlob({ blob, read, observe }: BlobUpload, signal: AbortSignal) {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    try {
      const parts: Uint8Array[] = [];
      for await (const chunk of read(0, signal)) {
        signal.throwIfAborted();
        parts.push(chunk);
        observe(chunk.length);
      }
      const bytes = Buffer.concat(parts);
      const digest = digestOf(bytes);
      this.fail("upload", digest);
      if (blob && blob.digest !== digest) throw new Error(`uploaded ${digest} as ${blob.digest}`);
      this.blobs.set(digest, bytes);
      this.log.push(`upload ${digest}`);
      return { digest, sizeBytes: bytes.length };
    } finally {
      this.atOnce--;
    }
  }

  async hasManifest(digest: string): Promise<boolean> {
    return this.manifests.has(digest);
  }

  async putManifest(name: string, manifest: ManifestBytes): Promise<void> {
    this.log.push(`put ${name}`);
    this.manifests.set(name, manifest).set(manifest.digest, manifest);
  }
}

/** Images of a job, with their blobs. */
export class FakeImages implements ImagesToPush {
  readonly blobs = new Map<string, Uint8Array>();
  readonly images: StoredImage[] = [];
  readonly tags = new Map<string, StoredImage>();
  readonly named: string[] = [];

  target(name: string, tag: string): PushTarget {
    const tags = [...this.tags].map(([each, image]) => ({ tag: each, image }));
    const remote = { registry: "registry.test", repository: name.replace("registry.test/", ""), name };
    const isKnown = name === "registry.test/app";
    return { remote, fullName: name, name, byDigest: false, isKnown, tags, ...(tag && { tag }) };
  }

  credentials(): undefined {}

  find(): StoredImage {
    return this.images[0]!;
  }

  all(): readonly StoredImage[] {
    return this.images;
  }

  async *read({ digest }: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    signal.throwIfAborted();
    const bytes = this.blobs.get(digest);
    if (!bytes) throw internal(`no blob ${digest}`);
    yield bytes.subarray(offset);
  }

  async pushed(_: StoredImage, { name }: PushTarget, digest: string): Promise<void> {
    this.named.push(`${name}@${digest}`);
  }

  put(bytes: Uint8Array, mediaType: string): Descriptor {
    this.blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), sizeBytes: bytes.length };
  }

  /** An image with one layer for each of these; from an archive, as plain tars, when it has no origin. */
  image(tag: string, layers: readonly string[], parts: Partial<StoredImage> = {}): StoredImage {
    const blobs = layers.map((text) => new TextEncoder().encode(text));
    const descriptors = blobs.map((bytes) => this.put(bytes, "application/vnd.oci.image.layer.v1.tar"));
    const diffIds = parts.origin === undefined
      ? descriptors.map(({ digest }) => digest)
      : layers.map((text) => digestOf(`unpacked ${text}`));
    const config = {
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: diffIds },
      config: { Labels: { tag } },
    };
    const configBlob = this.put(encode(config), "application/vnd.oci.image.config.v1+json");
    const manifestBody = encode({ schemaVersion: 2, layers: descriptors, config: configBlob });
    const image: StoredImage = {
      id: configBlob.digest,
      manifest: this.put(manifestBody, "application/vnd.oci.image.manifest.v1+json"),
      config,
      configBlob,
      layers: descriptors,
      layerSizesBytes: layers.map(() => 1),
      sizeBytes: layers.length,
      ...parts,
    };
    this.images.push(image);
    this.tags.set(tag, image);
    return image;
  }

  /** Lists these digests in an index, and says that the image came through it. */
  index(image: StoredImage, digests: readonly string[]): StoredImage {
    const body = encode({ schemaVersion: 2, manifests: digests.map((digest) => ({ digest, size: 1 })) });
    const indexed = { ...image, index: this.put(body, "application/vnd.oci.image.index.v1+json") };
    this.images.splice(this.images.indexOf(image), 1, indexed);
    for (const [tag, each] of this.tags) if (each === image) this.tags.set(tag, indexed);
    return indexed;
  }
}

/** The area, with one repository behind it. */
export async function openPush(undo: Undo, dir?: string) {
  const made = dir ?? await mkdtemp(join(tmpdir(), "berth-push-"));
  if (!dir) undo.add("directory", () => rm(made, { recursive: true, force: true }));
  const images = new FakeImages();
  const repository = new FakeRepository();
  const registries: PushRegistries = { repository: () => repository };
  const pushed = new PushedBlobs({ dir: made } as Job);
  await pushed.open();
  const settings = { concurrentUploads: 2, compressionLevel: 1 };
  const area = new PushRequests(images, registries, pushed, settings);
  return { dir: made, images, repository, pushed, area };
}

/** What a push tells, errors as their last line. */
export async function push(
  { area }: { area: PushRequests },
  query: Record<string, string> = { tag: "1" },
  parts: Partial<Parameters<typeof request>[0]> = {},
): Promise<Record<string, unknown>[]> {
  const reply = area.push(request({ name: "registry.test/app", query, ...parts }));
  if (reply.kind !== "lines") throw new Error("expected lines");
  const lines: Record<string, unknown>[] = [];
  try {
    for await (const line of reply.body) lines.push(line as Record<string, unknown>);
  } catch (error) {
    lines.push({ error: (error as Error).message });
  }
  return lines;
}
