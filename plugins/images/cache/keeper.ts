import type { DaemonFacts } from "../../../core/kernel/plugin.ts";
import { inject, type Managed, type Token, token } from "../../../core/kernel/scope.ts";
import { DaemonToken } from "../../../core/kernel/tokens.ts";
import { messageOf } from "../../../core/support/errors.ts";
import { Turns } from "../../../core/support/turns.ts";
import { type CachedImage, type CacheDisk, type ImageCache, ImageCacheToken } from "../backend.ts";
import { Drain, usedPercent } from "./drain.ts";
import { type Watermarks, WatermarksToken } from "./settings.ts";
import { oldestFor } from "./sizes.ts";

/** Daemon-scoped; the objects of this area take it from each other. */
export const CacheKeeperToken: Token<CacheKeeper> = token("images.cache-keeper");

/** Time between two looks when nothing is pulled: containers and other programs fill the disk too. */
const lookEveryMs = 60_000;
/** Looks may take this share of the time at most, however many images there are and however often one comes. */
const lookShare = 0.1;
/** Evictions in a row that one look makes: the disk may not get as empty as the sizes say while others fill it. */
const maxRounds = 5;

/** What a removal did. */
export interface Eviction {
  readonly removed: readonly CachedImage[];
  readonly freedBytes: number;
}

/** Which of the cached images go, and for what. */
export type Choice = (images: readonly CachedImage[], disk: CacheDisk) => readonly CachedImage[];

/** Counts since the daemon started. */
export interface KeeperCounts {
  hits: number;
  misses: number;
  evictedImages: number;
  evictedBytes: number;
}

/**
 * Keeps the cache between its watermarks: looks after each image that came, and now and then, never in the way of
 * whoever pulls. One removal at a time.
 */
export class CacheKeeper implements Managed {
  readonly counts: KeeperCounts = { hits: 0, misses: 0, evictedImages: 0, evictedBytes: 0 };
  readonly watermarks: Watermarks;
  readonly #cache: ImageCache;
  readonly #log: DaemonFacts["log"];
  readonly #turn = new Turns(1);
  #timer: NodeJS.Timeout | undefined;
  /** Whether something came since the last look began. */
  #isWanted = false;
  /** When the next look may be at the earliest. */
  #restUntil = 0;
  #looking: Promise<void> | undefined;
  #closed = true;
  /** What was said last: the same trouble is told once. */
  #trouble = "";

  constructor(
    @inject(ImageCacheToken) cache: ImageCache,
    @inject(WatermarksToken) watermarks: Watermarks,
    @inject(DaemonToken) daemon: DaemonFacts,
  ) {
    this.#cache = cache;
    this.watermarks = watermarks;
    this.#log = daemon.log;
  }

  open(): void {
    this.#closed = false;
    this.#schedule(0);
  }

  /** Waits for what is being removed. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
    await this.#turn.run(() => {});
  }

  /** A job pulled an image. @param isHit whether nothing had to be downloaded for it */
  pulled(isHit: boolean): void {
    if (isHit) this.counts.hits++;
    else this.counts.misses++;
    if (!isHit) this.lookSoon();
  }

  /** Notes that a job had these images until now. Nobody waits for it, and nobody misses it when it fails. */
  usedUntilNow(digests: readonly string[]): void {
    this.#cache.touch(digests).catch(() => {});
  }

  /** Something was stored: looks at the watermarks in a moment. */
  lookSoon(): void {
    this.#isWanted = true;
    if (!this.#looking) this.#schedule(this.#restUntil - Date.now());
  }

  /** Removes what the choice names, after removals under way. Errors: `unavailable` when the engine is down. */
  evict(choice: Choice, why: string): Promise<Eviction> {
    return this.#turn.run(() => this.#evict(choice, why));
  }

  /** Removes what the watermarks say, in as many rounds as it takes. Errors as {@link evict}. */
  evictOverWatermarks(): Promise<Eviction> {
    return this.#turn.run(() => this.#drain(new Drain(this.watermarks)));
  }

  async #drain(drain: Drain): Promise<Eviction> {
    const removed: CachedImage[] = [];
    let freedBytes = 0;
    let neededBytes = 0;
    let chosen: readonly CachedImage[] = [];
    const choice: Choice = (images, disk) => {
      neededBytes = drain.neededBytes(images, disk);
      return chosen = neededBytes > 0 ? oldestFor(neededBytes, images) : [];
    };
    for (let round = 0; round < maxRounds; round++) {
      const one = await this.#evict(choice, "above a watermark");
      // A job may have taken hold of what was chosen: then others are.
      if (chosen.length === 0) break;
      removed.push(...one.removed);
      freedBytes += one.freedBytes;
    }
    if (neededBytes <= 0) this.#trouble = "";
    else if (chosen.length === 0) this.#tell({ neededBytes }, "cache above its watermarks, all of it in use");
    return { removed, freedBytes };
  }

  async #evict(choice: Choice, why: string): Promise<Eviction> {
    const images = await this.#cache.list();
    const chosen = choice(images, await this.#cache.disk());
    if (chosen.length === 0) return { removed: [], freedBytes: 0 };
    const { removed, freedBytes } = await this.#cache.remove(chosen.map(({ digest }) => digest));
    const gone = chosen.filter(({ digest }) => removed.includes(digest));
    this.counts.evictedImages += gone.length;
    this.counts.evictedBytes += freedBytes;
    const named = gone.map(({ digest, origins }) => `${origins[0] ?? "unknown"}@${digest}`);
    if (gone.length > 0) this.#log.info({ images: named, freedBytes, why }, "images evicted");
    return { removed: gone, freedBytes };
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#looking = this.#look(), Math.max(0, delayMs));
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    this.#isWanted = false;
    const startedAt = Date.now();
    await this.#lookNow();
    const now = Date.now();
    this.#restUntil = now + (now - startedAt) * (1 / lookShare - 1);
    this.#looking = undefined;
    // What came in the meantime was perhaps not seen.
    this.#schedule(this.#isWanted ? this.#restUntil - now : lookEveryMs);
  }

  async #lookNow(): Promise<void> {
    try {
      if (await this.#mayBeAbove()) await this.evictOverWatermarks();
      else this.#trouble = "";
    } catch (error) {
      this.#tell({ error: messageOf(error) }, "cannot look after the image cache");
    }
  }

  /** Listing the cache costs more than asking the file system, which often is enough. */
  async #mayBeAbove(): Promise<boolean> {
    if (this.watermarks.highBytes !== undefined) return true;
    return usedPercent(await this.#cache.disk()) > this.watermarks.highPercent;
  }

  #tell(fields: object, trouble: string): void {
    if (trouble !== this.#trouble) this.#log.warn(fields, trouble);
    this.#trouble = trouble;
  }
}
