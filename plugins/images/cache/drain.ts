import type { CachedImage, CacheDisk } from "../backend.ts";
import type { Watermarks } from "./settings.ts";
import { totalBytes } from "./sizes.ts";

/** How full a file system is, as `df` shows it. */
export const usedPercent = ({ usedBytes, availableBytes }: CacheDisk): number =>
  usedBytes + availableBytes === 0 ? 0 : 100 * usedBytes / (usedBytes + availableBytes);

/** One way from the high marks down to the low ones: a limit that was never above its high mark asks for nothing. */
export class Drain {
  readonly #watermarks: Watermarks;
  #diskIsOver = false;
  #cacheIsOver = false;

  constructor(watermarks: Watermarks) {
    this.#watermarks = watermarks;
  }

  /** Bytes that must go now; 0 when the way is done, or never began. */
  neededBytes(images: readonly CachedImage[], disk: CacheDisk): number {
    return Math.max(0, this.#neededOfDisk(disk), this.#neededOfCache(images));
  }

  #neededOfDisk(disk: CacheDisk): number {
    const { highPercent, lowPercent } = this.#watermarks;
    this.#diskIsOver ||= usedPercent(disk) > highPercent;
    if (!this.#diskIsOver) return 0;
    return Math.ceil(disk.usedBytes - (disk.usedBytes + disk.availableBytes) * lowPercent / 100);
  }

  #neededOfCache(images: readonly CachedImage[]): number {
    const { highBytes, lowBytes } = this.#watermarks;
    if (highBytes === undefined || lowBytes === undefined) return 0;
    const cacheBytes = totalBytes(images);
    this.#cacheIsOver ||= cacheBytes > highBytes;
    return this.#cacheIsOver ? cacheBytes - lowBytes : 0;
  }
}
