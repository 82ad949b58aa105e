import { pause } from "../../core/support/deadline.ts";
import { type ApiError, apiErrorOf } from "../../core/support/errors.ts";
import type { Settings } from "./settings.ts";
import { TryLater } from "./upload-refusal.ts";

/** Tries of one upload in all: a registry that takes a byte a try is given up some time. */
const mostTriesInAll = 100;

export type RetrySettings = Pick<Settings, "tries" | "retryPauseMs" | "retryAfterLimitMs">;

/**
 * Counts what went wrong with one piece of work, and waits between the tries. As many tries as the settings say may
 * fail in a row; whatever brought the work further starts the count anew.
 */
export class UploadRetries {
  readonly #settings: RetrySettings;
  #inRow = 0;
  #inAll = 0;

  constructor(settings: RetrySettings) {
    this.#settings = settings;
  }

  /** Something got better. */
  progressed(): void {
    this.#inRow = 0;
  }

  /**
   * Returns when it is time for the next try; throws the error when there is to be none, because it will not pass or
   * was seen too often, or the signal's reason.
   *
   * @param onPause called before the wait, with its length in milliseconds
   */
  async next(
    error: unknown,
    signal: AbortSignal,
    onPause: (pauseMs: number) => void = () => {},
  ): Promise<void> {
    signal.throwIfAborted();
    const { tries, retryPauseMs, retryAfterLimitMs } = this.#settings;
    if (!mayPass(error) || ++this.#inRow >= tries || ++this.#inAll >= mostTriesInAll) throw error;
    const told = error instanceof TryLater ? error.afterMs : undefined;
    if (told !== undefined && told > retryAfterLimitMs) throw error;
    const pauseMs = Math.max(told ?? 0, retryPauseMs * 2 ** (this.#inRow - 1));
    onPause(pauseMs);
    await pause(pauseMs, signal);
    signal.throwIfAborted();
  }
}

/** Does something that may be done twice until it works or will not. */
export async function retried<T>(
  settings: RetrySettings,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const retries = new UploadRetries(settings);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await retries.next(error, signal);
    }
  }
}

/** Refusals stay refusals; broken connections and overloaded servers may get better. */
function mayPass(error: unknown): boolean {
  const known: ApiError | undefined = apiErrorOf(error);
  return known === undefined || known.kind === "internal" || known.kind === "unavailable";
}
