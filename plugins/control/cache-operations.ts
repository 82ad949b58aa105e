import type { ServiceImpl } from "@connectrpc/connect";
import type {
  ControlService,
  PruneCacheRequest,
} from "../../core/control/gen/berth/control/v1/control_pb.ts";
import type { PluginDirectory } from "../../core/kernel/tokens.ts";
import { ApiError } from "../../core/support/errors.ts";
import type { CacheAdmin, CacheEntry, CacheWatermarks, PruneWish } from "./backend.ts";

type CacheOperations = Pick<ServiceImpl<typeof ControlService>, "listCache" | "pruneCache" | "cacheStats">;

/**
 * The operations on the image cache.
 *
 * @param cache undefined when no plugin that keeps one runs
 */
export function cacheOperations(cache: CacheAdmin | undefined, plugins: PluginDirectory): CacheOperations {
  const present = () => cache ?? refuse(plugins);
  return {
    async listCache() {
      return { images: (await present().list()).map(entryMessage) };
    },
    async pruneCache(request) {
      const { removed, freedBytes } = await present().prune(wishOf(request));
      return { removed: removed.map(entryMessage), freedBytes: BigInt(freedBytes) };
    },
    async cacheStats() {
      const figures = await present().stats();
      return {
        ...figures,
        cacheBytes: BigInt(figures.cacheBytes),
        diskUsedBytes: BigInt(figures.diskUsedBytes),
        diskAvailableBytes: BigInt(figures.diskAvailableBytes),
        hits: BigInt(figures.hits),
        misses: BigInt(figures.misses),
        evictedImages: BigInt(figures.evictedImages),
        evictedBytes: BigInt(figures.evictedBytes),
        watermarks: watermarksMessage(figures.watermarks),
      };
    },
  };
}

/** The plugin that would keep a cache. */
const keeperId = "images";

function refuse(plugins: PluginDirectory): never {
  const keeper = plugins.list().find(({ id }) => id === keeperId);
  const why = keeper?.reason ? `: it is ${keeper.state}: ${keeper.reason}` : ": it is not enabled";
  throw new ApiError("not-implemented", `plugin "${keeperId}" keeps the image cache${why}`);
}

function wishOf({ what }: PruneCacheRequest): PruneWish {
  switch (what.case) {
    case "all":
      return what.value ? { kind: "all" } : { kind: "over-watermarks" };
    case "olderThanMs":
      return { kind: "older-than", ageMs: Number(what.value) };
    case "untilFreeBytes":
      return { kind: "until-free", freeBytes: Number(what.value) };
    default:
      return { kind: "over-watermarks" };
  }
}

const entryMessage = (entry: CacheEntry) => ({
  ...entry,
  origins: [...entry.origins],
  sizeBytes: BigInt(entry.sizeBytes),
  uniqueBytes: BigInt(entry.uniqueBytes),
  lastUsed: entry.lastUsed.toISOString(),
  heldBy: [...entry.heldBy],
});

const watermarksMessage = ({ highPercent, lowPercent, highBytes, lowBytes }: CacheWatermarks) => ({
  highPercent,
  lowPercent,
  ...(highBytes !== undefined && { highBytes: BigInt(highBytes) }),
  ...(lowBytes !== undefined && { lowBytes: BigInt(lowBytes) }),
});
