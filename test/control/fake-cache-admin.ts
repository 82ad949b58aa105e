import type { CacheAdmin, CacheEntry, CacheFigures, PruneWish } from "../../plugins/control/backend.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

/** An entry of a cache, with whatever a test wants to be different. */
export const entry = (parts: Partial<CacheEntry> = {}): CacheEntry => ({
  digest: digest("a"),
  origins: ["registry.test/app"],
  sizeBytes: 12_345_678,
  uniqueBytes: 345_678,
  lastUsed: new Date(Date.now() - 3 * 3_600_000 - 1),
  heldBy: [],
  preloaded: false,
  ...parts,
});

/** A cache that has what it is told, and remembers what it was asked to prune. */
export class FakeCacheAdmin implements CacheAdmin {
  entries: CacheEntry[] = [entry()];
  readonly wishes: PruneWish[] = [];
  figures: CacheFigures = {
    images: 3,
    heldImages: 1,
    preloadedImages: 1,
    cacheBytes: 5_000_000_000,
    diskUsedBytes: 60_000_000_000,
    diskAvailableBytes: 40_000_000_000,
    hits: 7,
    misses: 2,
    evictedImages: 1,
    evictedBytes: 1_000,
    watermarks: { highPercent: 85, lowPercent: 80.5 },
  };

  async list(): Promise<readonly CacheEntry[]> {
    return this.entries;
  }

  async prune(wish: PruneWish): Promise<{ removed: readonly CacheEntry[]; freedBytes: number }> {
    this.wishes.push(wish);
    const removed = this.entries.filter(({ heldBy, preloaded }) => heldBy.length === 0 && !preloaded);
    return { removed, freedBytes: removed.reduce((sum, { uniqueBytes }) => sum + uniqueBytes, 0) };
  }

  async stats(): Promise<CacheFigures> {
    return this.figures;
  }
}
