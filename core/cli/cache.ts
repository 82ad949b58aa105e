import { type ControlClient, controlClient } from "../control/client.ts";
import type {
  CachedImage,
  CacheStatsResponse,
  PruneCacheRequest,
} from "../control/gen/berth/control/v1/control_pb.ts";
import { ageText, bytesText } from "./measures.ts";
import { type CommonOptions, dataDirOf } from "./options.ts";
import { printable, printJson, printLine, printTable } from "./output.ts";

/** Options of `berth cache prune`; at most one says what goes. */
export interface PruneOptions extends CommonOptions {
  readonly all?: boolean;
  /** In milliseconds. */
  readonly olderThan?: number;
  /** In bytes. */
  readonly untilFree?: number;
}

/** `berth cache ls`: least recently used first, the order in which images go. */
export async function listCache(options: CommonOptions): Promise<void> {
  const { images } = await clientOf(options).listCache({});
  if (options.json) return printJson(images.map(imageJson));
  const now = Date.now();
  printTable(
    ["IMAGE", "DIGEST", "SIZE", "UNIQUE", "LAST USED", "HELD BY"],
    images.map((image) => [
      nameOf(image),
      shortDigest(image.digest),
      bytesText(Number(image.sizeBytes)),
      bytesText(Number(image.uniqueBytes)),
      ageText(now - Date.parse(image.lastUsed)),
      holdersOf(image),
    ]),
  );
}

/** `berth cache prune`: says what went and how much room there is for it. */
export async function pruneCache(options: PruneOptions): Promise<void> {
  const { removed, freedBytes } = await clientOf(options).pruneCache({ what: wishOf(options) });
  if (options.json) return printJson({ removed: removed.map(imageJson), freedBytes: Number(freedBytes) });
  for (const image of removed) printLine(`removed ${nameOf(image)}@${shortDigest(image.digest)}`);
  printLine(`${counted(removed.length, "image")} removed, ${bytesText(Number(freedBytes))} freed`);
}

/** `berth cache stats`. */
export async function showCacheStats(options: CommonOptions): Promise<void> {
  const stats = await clientOf(options).cacheStats({});
  if (options.json) return printJson(statsJson(stats));
  const { images, heldImages, preloadedImages, hits, misses, evictedImages, watermarks } = stats;
  const bytes = (value: bigint) => bytesText(Number(value));
  const used = Number(stats.diskUsedBytes);
  const whole = used + Number(stats.diskAvailableBytes);
  const lines = {
    images: `${images}, ${heldImages} held by jobs, ${preloadedImages} preloaded`,
    size: bytes(stats.cacheBytes),
    disk: `${bytesText(used)} of ${bytesText(whole)} used, ${whole ? Math.round(100 * used / whole) : 0}%`,
    watermarks: watermarksText(watermarks),
    pulls: `${hits} from the cache, ${misses} downloaded`,
    evicted: `${counted(Number(evictedImages), "image")}, ${bytes(stats.evictedBytes)}`,
  };
  for (const [key, value] of Object.entries(lines)) printLine(`${`${key}:`.padEnd(13)}${value}`);
}

const clientOf = (options: CommonOptions): ControlClient => controlClient(dataDirOf(options));

function wishOf({ all, olderThan, untilFree }: PruneOptions): PruneCacheRequest["what"] {
  if (all) return { case: "all", value: true };
  if (olderThan !== undefined) return { case: "olderThanMs", value: BigInt(olderThan) };
  if (untilFree !== undefined) return { case: "untilFreeBytes", value: BigInt(untilFree) };
  return { case: undefined };
}

function imageJson({ digest, origins, sizeBytes, uniqueBytes, lastUsed, heldBy, preloaded }: CachedImage) {
  return {
    digest,
    origins,
    sizeBytes: Number(sizeBytes),
    uniqueBytes: Number(uniqueBytes),
    lastUsed,
    heldBy,
    preloaded,
  };
}

function statsJson({ $typeName: _, watermarks, ...figures }: CacheStatsResponse) {
  const { highPercent, lowPercent, highBytes, lowBytes } = watermarks!;
  const numbers = Object.entries(figures)
    .filter(([key]) => !key.startsWith("$"))
    .map(([key, value]) => [key, Number(value)]);
  return {
    ...Object.fromEntries(numbers),
    watermarks: {
      highPercent,
      lowPercent,
      ...(highBytes !== undefined && { highBytes: Number(highBytes) }),
      ...(lowBytes !== undefined && { lowBytes: Number(lowBytes) }),
    },
  };
}

const nameOf = ({ origins: [first = "<unknown>", ...more] }: CachedImage): string =>
  printable(more.length > 0 ? `${first} (+${more.length})` : first);

const shortDigest = (digest: string) => digest.slice(0, "sha256:".length + 12);

const holdersOf = ({ heldBy, preloaded }: CachedImage): string =>
  [...preloaded ? ["(preloaded)"] : [], ...heldBy].join(",");

function watermarksText(watermarks: CacheStatsResponse["watermarks"]): string {
  const { highPercent, lowPercent, highBytes, lowBytes } = watermarks!;
  const ofDisk = `${highPercent}% to ${lowPercent}% of the disk`;
  if (highBytes === undefined) return ofDisk;
  return `${ofDisk}, ${bytesText(Number(highBytes))} to ${bytesText(Number(lowBytes))} of cache`;
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;
