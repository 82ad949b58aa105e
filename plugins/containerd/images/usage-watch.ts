import { type ApiError, invalid } from "../../../core/support/errors.ts";
import type { ContainerdConnection } from "../connection.ts";
import type { Settings } from "../settings.ts";

/** Time between two looks at the disk use of an unpacking layer, at least, in milliseconds. */
const lookEveryMs = 500;
/** A look walks the layer's files; it may take this share of the time at most. */
const lookShare = 0.1;

/** A watch over one snapshot that is being unpacked into. */
export interface UsageWatch {
  /** Fires with an `invalid` error when a limit is passed, and when the caller's signal does. */
  readonly signal: AbortSignal;
  /** Looks once more; throws when a limit is passed. */
  check(): Promise<void>;
  stop(): void;
}

/**
 * Watches what a layer takes on disk while it is unpacked: containerd has no limit of its own, and a megabyte of gzip
 * can become a gigabyte of zeros.
 */
export function watchUsage(
  { snapshots }: ContainerdConnection,
  key: string,
  settings: Settings,
  signal: AbortSignal,
): UsageWatch {
  const exceeded = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const check = async () => {
    const { size, inodes } = await snapshots.usage({ snapshotter: settings.snapshotter, key });
    const error = excess(Number(size), Number(inodes), settings);
    if (error) throw error;
  };
  const look = async () => {
    const startedAt = Date.now();
    try {
      await check();
    } catch (error) {
      // Anything but an excess is the unpacking call's to report.
      if ((error as ApiError).kind === "invalid") return exceeded.abort(error);
    }
    if (!stopped) timer = setTimeout(look, Math.max(lookEveryMs, (Date.now() - startedAt) / lookShare));
  };
  timer = setTimeout(look, lookEveryMs);

  return {
    signal: AbortSignal.any([signal, exceeded.signal]),
    check,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function excess(sizeBytes: number, files: number, settings: Settings): ApiError | undefined {
  if (sizeBytes > settings.maxLayerBytes) {
    return invalid(`a layer unpacks to more than ${settings.maxLayerBytes} bytes (maxLayerBytes)`);
  }
  if (files > settings.maxLayerFiles) {
    return invalid(`a layer unpacks to more than ${settings.maxLayerFiles} files (maxLayerFiles)`);
  }
  return undefined;
}
