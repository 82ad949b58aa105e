/** Thrown by {@link within} when the time is up. The message names what took too long. */
export class DeadlineExceeded extends Error {
  constructor(what: string, timeoutMs: number) {
    super(`${what} did not finish within ${timeoutMs} ms`);
    this.name = "DeadlineExceeded";
  }
}

/**
 * Waits for a promise for so long and no longer. The work itself is not stopped: give it a signal for that.
 *
 * @param what names the work in the error
 */
export async function within<T>(what: string, timeoutMs: number, work: PromiseLike<T> | T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineExceeded(what, timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after so many milliseconds, or at once when the signal fires. Never rejects. */
export function pause(timeoutMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Rejects with the signal's reason when it fires, otherwise follows the promise. */
export function abortable<T>(work: PromiseLike<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return Promise.resolve(work);
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) {
      // Nobody waits for the work any more; its failure must not count as unhandled, which ends the process.
      work.then(undefined, () => {});
      return abort();
    }
    signal.addEventListener("abort", abort, { once: true });
    const settle = <A>(next: (value: A) => void) => (value: A) => {
      signal.removeEventListener("abort", abort);
      next(value);
    };
    work.then(settle(resolve), settle(reject));
  });
}

/**
 * A signal that fires so many milliseconds after another one did, for what is better ended than cut. Whoever made it
 * calls `release` when the work is over.
 */
export function delayed(signal: AbortSignal, graceMs: number): { signal: AbortSignal; release: () => void } {
  const late = new AbortController();
  const begin = () => void pause(graceMs, late.signal).then(() => late.abort(signal.reason));
  if (signal.aborted) begin();
  else signal.addEventListener("abort", begin, { once: true });
  const release = () => {
    signal.removeEventListener("abort", begin);
    late.abort();
  };
  return { signal: late.signal, release };
}
