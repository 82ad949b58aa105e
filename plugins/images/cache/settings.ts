import { type Static, Type } from "typebox";
import { type Token, token } from "../../../core/kernel/scope.ts";

/** `[plugins.images.cache]`: when images that no job holds are evicted. */
export const CacheSettings = Type.Object({
  highPercent: Type.Number({
    default: 85,
    minimum: 1,
    maximum: 100,
    description:
      "Evict when the file system that images lie in is fuller than this, in percent as df shows it, whoever filled " +
      "it. 100 never evicts for that reason; a small number keeps room for other programs and makes jobs download " +
      "more often.",
  }),
  lowPercent: Type.Number({
    default: 80,
    minimum: 0,
    maximum: 100,
    description:
      "Evict until the file system is no fuller than this, or nothing is left that can go. At most highPercent; 0 " +
      "empties the cache of all that no job holds.",
  }),
  highBytes: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      "Evict when the cache itself takes more than this, shared layers counted once. Not set: no such limit. 0 keeps " +
      "nothing that no job holds.",
  })),
  lowBytes: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      "Evict until the cache takes no more than this. At most highBytes; not set: 9/10 of highBytes.",
  })),
}, {
  additionalProperties: false,
  description:
    "The cache of pulled images, shared by all jobs. Above a high mark the least recently used images go that no live " +
    "job holds and that are not preloaded, until the low mark is reached.",
});

/** The limits, with nothing left open. */
export interface Watermarks {
  /** Of the file system. */
  readonly highPercent: number;
  readonly lowPercent: number;
  /** Of the cache; undefined without such a limit. */
  readonly highBytes?: number;
  readonly lowBytes?: number;
}

/** Daemon-scoped; the objects of this area take it from each other. */
export const WatermarksToken: Token<Watermarks> = token("images.watermarks");

/** Share of highBytes that lowBytes is when it is not set. */
const standardLow = 0.9;

/** Checks what a schema cannot say, and fills in what follows from the rest. Errors start with the key. */
export function watermarksOf(settings: Static<typeof CacheSettings>): Watermarks {
  const { highPercent, lowPercent, highBytes, lowBytes } = settings;
  if (lowPercent > highPercent) {
    throw new Error(`cache.lowPercent: ${lowPercent} is above cache.highPercent, which is ${highPercent}`);
  }
  if (highBytes === undefined) {
    if (lowBytes === undefined) return { highPercent, lowPercent };
    throw new Error("cache.lowBytes: means nothing without cache.highBytes");
  }
  if (lowBytes !== undefined && lowBytes > highBytes) {
    throw new Error(`cache.lowBytes: ${lowBytes} is above cache.highBytes, which is ${highBytes}`);
  }
  return { highPercent, lowPercent, highBytes, lowBytes: lowBytes ?? Math.floor(highBytes * standardLow) };
}
