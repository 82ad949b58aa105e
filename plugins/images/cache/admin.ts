import { inject } from "../../../core/kernel/scope.ts";
import { invalid } from "../../../core/support/errors.ts";
import type { CacheAdmin, CacheEntry, CacheFigures, PruneWish } from "../../control/backend.ts";
import { type CachedImage, type ImageCache, ImageCacheToken } from "../backend.ts";
import { type CacheKeeper, CacheKeeperToken, type Choice, type Eviction } from "./keeper.ts";
import { inOrder, oldestFor, removable, totalBytes, uniqueBytes } from "./sizes.ts";

/** The cache as operators see it, for the control API. */
export class KeptCache implements CacheAdmin {
  readonly #cache: ImageCache;
  readonly #keeper: CacheKeeper;

  constructor(@inject(ImageCacheToken) cache: ImageCache, @inject(CacheKeeperToken) keeper: CacheKeeper) {
    this.#cache = cache;
    this.#keeper = keeper;
  }

  async list(): Promise<CacheEntry[]> {
    return entriesOf(await this.#cache.list());
  }

  async prune(wish: PruneWish): Promise<{ removed: CacheEntry[]; freedBytes: number }> {
    const { removed, freedBytes } = await this.#prune(wish);
    return { removed: entriesOf(removed), freedBytes };
  }

  async stats(): Promise<CacheFigures> {
    const [images, disk] = await Promise.all([this.#cache.list(), this.#cache.disk()]);
    return {
      images: images.length,
      heldImages: images.filter(({ heldBy }) => heldBy.length > 0).length,
      preloadedImages: images.filter(({ pinned }) => pinned).length,
      cacheBytes: totalBytes(images),
      diskUsedBytes: disk.usedBytes,
      diskAvailableBytes: disk.availableBytes,
      ...this.#keeper.counts,
      watermarks: this.#keeper.watermarks,
    };
  }

  #prune(wish: PruneWish): Promise<Eviction> {
    return wish.kind === "over-watermarks"
      ? this.#keeper.evictOverWatermarks()
      : this.#keeper.evict(choiceOf(wish), "pruned");
  }
}

function choiceOf(wish: Exclude<PruneWish, { kind: "over-watermarks" }>): Choice {
  switch (wish.kind) {
    case "all":
      return removable;
    case "older-than": {
      if (wish.ageMs < 0) throw invalid("the age of what is to go is negative");
      const before = Date.now() - wish.ageMs;
      return (images) => removable(images).filter(({ lastUsed }) => lastUsed.getTime() < before);
    }
    case "until-free":
      if (wish.freeBytes < 0) throw invalid("the number of bytes to free is negative");
      return (images, { availableBytes }) => oldestFor(wish.freeBytes - availableBytes, images);
  }
}

function entriesOf(images: readonly CachedImage[]): CacheEntry[] {
  const unique = uniqueBytes(images);
  return inOrder(images).map((image) => ({
    digest: image.digest,
    origins: image.origins,
    sizeBytes: totalBytes([image]),
    uniqueBytes: unique.get(image.digest) ?? 0,
    lastUsed: image.lastUsed,
    heldBy: image.heldBy,
    preloaded: image.pinned,
  }));
}
