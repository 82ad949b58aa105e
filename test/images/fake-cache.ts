/** A cache of images in memory over a fake host: what jobs pulled stays until somebody removes it. */
import type {
  CachedImage,
  CacheDisk,
  CachePiece,
  ImageCache,
  ImageSource,
  ImageStore,
  IngestObserver,
  StoredImage,
} from "../../plugins/images/backend.ts";
import { FakeHost, type FakeStore } from "./fake-store.ts";

interface Entry {
  readonly image: StoredImage;
  readonly origins: Set<string>;
  readonly heldBy: Set<string>;
  lastUsed: Date;
  pinned: boolean;
}

export class FakeCache implements ImageCache {
  readonly host = new FakeHost();
  /** What the file system holds beside images, and its size, in bytes. */
  otherBytes = 0;
  capacityBytes = 1e9;
  /** The digests of each removal. */
  readonly removals: (readonly string[])[] = [];
  /** Called before each removal takes effect: somebody may take hold of an image here. */
  beforeRemoval: () => Promise<void> | void = () => {};
  /** Thrown by everything while it is set. */
  failure: Error | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #pins: FakeStore = this.host.storeOfJob();

  /** A job's store; closing it lets go of what it holds. */
  job(id: string): { store: ImageStore; close(): void } {
    const inner = this.host.storeOfJob();
    const store: ImageStore = {
      ingest: async (source, observe, signal) => {
        const image = await inner.ingest(source, observe, signal);
        this.#enter(source, image)?.heldBy.add(id);
        return image;
      },
      release: async (image) => {
        this.#entries.get(image.manifest.digest)?.heldBy.delete(id);
        await inner.release(image);
      },
      read: (blob, offset, signal) => inner.read(blob, offset, signal),
      knownManifest: (origin, digest) => inner.knownManifest(origin, digest),
    };
    const close = () => {
      for (const { heldBy } of this.#entries.values()) heldBy.delete(id);
    };
    return { store, close };
  }

  /** Says when an image was used last. */
  usedAt(digest: string, time: Date): void {
    this.#entries.get(digest)!.lastUsed = time;
  }

  async list(): Promise<CachedImage[]> {
    this.#throwFailure();
    return [...this.#entries].map(([digest, entry]) => ({
      digest,
      origins: [...entry.origins].sort(),
      pieces: piecesOf(entry.image),
      lastUsed: entry.lastUsed,
      heldBy: [...entry.heldBy].sort(),
      pinned: entry.pinned,
    }));
  }

  async disk(): Promise<CacheDisk> {
    this.#throwFailure();
    const usedBytes = this.otherBytes + this.#cachedBytes();
    return { usedBytes, availableBytes: Math.max(0, this.capacityBytes - usedBytes) };
  }

  async remove(digests: readonly string[]): Promise<{ removed: readonly string[]; freedBytes: number }> {
    this.#throwFailure();
    this.removals.push(digests);
    const before = this.#cachedBytes();
    await this.beforeRemoval();
    const removed = digests.filter((digest) => this.#canGo(digest));
    for (const digest of removed) {
      for (const { id } of piecesOf(this.#entries.get(digest)!.image)) this.host.forget(id);
      this.#entries.delete(digest);
    }
    return { removed, freedBytes: before - this.#cachedBytes() };
  }

  async touch(digests: readonly string[]): Promise<void> {
    for (const digest of digests) {
      const entry = this.#entries.get(digest);
      if (entry) entry.lastUsed = new Date();
    }
  }

  async pin(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    const image = await this.#pins.ingest(source, observe, signal);
    const entry = this.#enter(source, image);
    if (entry) entry.pinned = true;
    return image;
  }

  async keepPinned(images: readonly StoredImage[]): Promise<readonly StoredImage[]> {
    this.#throwFailure();
    const wanted = new Set(images.map(({ manifest }) => manifest.digest));
    for (const [digest, entry] of this.#entries) entry.pinned &&= wanted.has(digest);
    return images.filter(({ manifest }) => this.#entries.get(manifest.digest)?.pinned);
  }

  /** Nobody can have an archive's image without bringing it. */
  #enter({ origin }: ImageSource, image: StoredImage): Entry | undefined {
    if (origin === undefined) return undefined;
    const { digest } = image.manifest;
    const fresh = { image, origins: new Set<string>(), heldBy: new Set<string>(), pinned: false };
    const entry = this.#entries.get(digest) ?? { ...fresh, lastUsed: new Date() };
    entry.origins.add(origin);
    entry.lastUsed = new Date();
    this.#entries.set(digest, entry);
    return entry;
  }

  #canGo(digest: string): boolean {
    const entry = this.#entries.get(digest);
    return entry !== undefined && !entry.pinned && entry.heldBy.size === 0;
  }

  #cachedBytes(): number {
    const images = [...this.#entries.values()];
    const pieces = new Map(images.flatMap(({ image }) => piecesOf(image)).map((each) => [each.id, each]));
    return [...pieces.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  #throwFailure(): void {
    if (this.failure) throw this.failure;
  }
}

function piecesOf({ manifest, configBlob, layers, layerSizesBytes, config }: StoredImage): CachePiece[] {
  const packed = [manifest, configBlob, ...layers].map(({ digest, sizeBytes }) => ({
    id: digest,
    sizeBytes,
  }));
  const unpacked = layerSizesBytes.map((sizeBytes, at) => ({
    id: `unpacked ${config.rootfs.diff_ids.slice(0, at + 1).join(" ")}`,
    sizeBytes,
  }));
  return [...packed, ...unpacked];
}
