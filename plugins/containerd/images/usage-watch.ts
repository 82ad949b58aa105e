import { type ApiError, invalid } from "../../../core/support/errors.ts";
import type { ContainerdConnection } from "../connection.ts";

/** Time between two looks at the disk use of an unpacking layer, at least, while the limits are far; in milliseconds. */
const lookEveryMs = 500;
/** The same when a limit is near. */
const lookOftenMs = 5;
/** A look walks the layer's files; it may take this share of the time at most, while the limits are far. */
const lookShare = 0.1;
/** No disk takes more bytes, and no file system makes more files, in a millisecond: so far a limit is away. */
const fastestBytes = 2_000_000;
const fastestFiles = 100;

/** What something takes on disk. */
export interface DiskUse {
  readonly sizeBytes: number;
  readonly files: number;
}

/** How much a layer may take, and which setting says so. */
export interface UseLimit extends DiskUse {
  readonly bytesSetting: string;
  readonly filesSetting: string;
}

/** A watch over one snapshot that is being unpacked into. */
export interface UsageWatch {
  /** Fires with an `invalid` error when a limit is passed, and when the caller's signal does. */
  readonly signal: AbortSignal;
  /** Looks once more; throws when a limit is passed. */
  check(): Promise<DiskUse>;
  stop(): void;
}

/**
 * Watches what a layer takes on disk while it is unpacked: containerd has no limit of its own, and a megabyte of gzip
 * can become a gigabyte of zeros. Looks the more often the nearer the limit is.
 */
export function watchUsage(
  { snapshots }: ContainerdConnection,
  snapshotter: string,
  key: string,
  limit: UseLimit,
  signal: AbortSignal,
): UsageWatch {
  const exceeded = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const check = async () => {
    const { size, inodes } = await snapshots.usage({ snapshotter, key });
    const use = { sizeBytes: Number(size), files: Number(inodes) };
    checkUse("a layer", use, limit);
    return use;
  };
  const look = async () => {
    const startedAt = Date.now();
    let use: DiskUse = { sizeBytes: 0, files: 0 };
    try {
      use = await check();
    } catch (error) {
      // Anything but an excess is the unpacking call's to report.
      if ((error as ApiError).kind === "invalid") return exceeded.abort(error);
    }
    if (!stopped) timer = setTimeout(look, untilNextLook(use, limit, Date.now() - startedAt));
  };
  timer = setTimeout(look, untilNextLook({ sizeBytes: 0, files: 0 }, limit, 0));

  return {
    signal: AbortSignal.any([signal, exceeded.signal]),
    check,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Half the time that the limit is away at best, or less when that is long. */
function untilNextLook(use: DiskUse, limit: DiskUse, lookMs: number): number {
  const awayMs = Math.min(
    (limit.sizeBytes - use.sizeBytes) / fastestBytes,
    (limit.files - use.files) / fastestFiles,
  );
  return Math.min(Math.max(awayMs / 2, lookOftenMs), Math.max(lookEveryMs, lookMs / lookShare));
}

/** Throws `invalid` when more is used than may be. @param what uses it, `a layer` */
export function checkUse(what: string, { sizeBytes, files }: DiskUse, limit: UseLimit): void {
  if (sizeBytes > limit.sizeBytes) {
    throw invalid(`${what} unpacks to more than ${limit.sizeBytes} bytes (${limit.bytesSetting})`);
  }
  if (files > limit.files) {
    throw invalid(`${what} unpacks to more than ${limit.files} files (${limit.filesSetting})`);
  }
}
