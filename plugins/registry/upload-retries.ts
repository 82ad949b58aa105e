import { pause } from "../../core/support/deadline.ts";
import { type ApiError, apiErrorOf } from "../../core/support/errors.ts";
import { TryLater } from "./upload-refusal.ts";

/** Tries in a row without any progress before something is given up. Docker's daemon has as many. */
const mostTries = 5;
const firstPauseMs = 500;
/** Tries in all: a registry that takes a byte a try is given up some time. */
const mostTriesInAll = 100;

/** Counts what went wrong with one piece of work, and waits between the tries. */
export class Retries {
  #inRow = 0;
  #inAll = 0;

  /** Something got better: the count of fruitless tries starts anew. */
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
    if (!mayPass(error) || ++this.#inRow >= mostTries || ++this.#inAll >= mostTriesInAll) throw error;
    const told = error instanceof TryLater ? error.afterMs : undefined;
    const pauseMs = told ?? firstPauseMs * 2 ** (this.#inRow - 1);
    onPause(pauseMs);
    await pause(pauseMs, signal);
    signal.throwIfAborted();
  }
}

/** Does something that may be done twice until it works or will not. */
export async function retried<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const retries = new Retries();
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
