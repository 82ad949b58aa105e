/** What the control API asks others for, beside the kernel: operators' view of the image cache. */
import { type Token, token } from "../../core/kernel/scope.ts";

/** One image that is kept for jobs to come. */
export interface CacheEntry {
  /** Of its manifest. */
  readonly digest: string;
  /** Who served it, `registry.example/team/app`; sorted. */
  readonly origins: readonly string[];
  /** What it takes on disk, packed and unpacked. */
  readonly sizeBytes: number;
  /** The part of it that no other cached image shares. */
  readonly uniqueBytes: number;
  readonly lastUsed: Date;
  /** Ids of live jobs; sorted. */
  readonly heldBy: readonly string[];
  readonly preloaded: boolean;
}

/** What a prune removes. Never what a live job holds, nor what is preloaded. */
export type PruneWish =
  | { readonly kind: "over-watermarks" }
  | { readonly kind: "all" }
  | { readonly kind: "older-than"; readonly ageMs: number }
  | { readonly kind: "until-free"; readonly freeBytes: number };

/** The limits that start and end an eviction. */
export interface CacheWatermarks {
  /** Of the file system. */
  readonly highPercent: number;
  readonly lowPercent: number;
  /** Of the cache; undefined without such a limit. */
  readonly highBytes?: number;
  readonly lowBytes?: number;
}

export interface CacheFigures {
  readonly images: number;
  readonly heldImages: number;
  readonly preloadedImages: number;
  /** Shared parts counted once. */
  readonly cacheBytes: number;
  /** The file system that images lie in, as `df` counts. */
  readonly diskUsedBytes: number;
  readonly diskAvailableBytes: number;
  /** Pulls since the daemon started that needed no download, and those that did. */
  readonly hits: number;
  readonly misses: number;
  /** What watermarks and prunes removed since the daemon started. */
  readonly evictedImages: number;
  readonly evictedBytes: number;
  readonly watermarks: CacheWatermarks;
}

/** The image cache as operators look after it. Errors of all: `unavailable` when the engine is down. */
export interface CacheAdmin {
  /** Least recently used first: the order in which images go. */
  list(): Promise<readonly CacheEntry[]>;
  /** Resolves when what went is off the disk. */
  prune(wish: PruneWish): Promise<{ readonly removed: readonly CacheEntry[]; readonly freedBytes: number }>;
  stats(): Promise<CacheFigures>;
}

/** Daemon-scoped; the images plugin provides it. */
export const CacheAdminToken: Token<CacheAdmin> = token("control.cache");
