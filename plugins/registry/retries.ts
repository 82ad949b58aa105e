import { pause } from "../../core/support/deadline.ts";
import type { Answer } from "./exchange.ts";
import type { Settings } from "./settings.ts";

/** Answers that say "not now": too many requests, and faults of the server or of a proxy before it. */
const passing = new Set([429, 500, 502, 503, 504]);

/** Pauses double up to this, in milliseconds. */
const longestPauseMs = 30_000;

/** Counts the tries of one request and makes the pauses between them. */
export class Retries {
  #left: number;
  #pauseMs: number;
  readonly #retryAfterLimitMs: number;
  readonly #signal: AbortSignal;

  constructor(
    tries: number,
    { retryPauseMs, retryAfterLimitMs }: Pick<Settings, "retryPauseMs" | "retryAfterLimitMs">,
    signal: AbortSignal,
  ) {
    this.#left = tries - 1;
    this.#pauseMs = retryPauseMs;
    this.#retryAfterLimitMs = retryAfterLimitMs;
    this.#signal = signal;
  }

  /** True, after a pause, when an answer is worth another try; it is dropped then. */
  async another(answer: Answer): Promise<boolean> {
    if (!passing.has(answer.status) || this.#left === 0) return false;
    const wanted = retryAfterMs(answer.headers["retry-after"]);
    if (wanted !== undefined && wanted > this.#retryAfterLimitMs) return false;
    answer.discard();
    await this.#pause(wanted);
    return true;
  }

  /** True, after a pause, when there is another try after an error. */
  async anotherAfterError(): Promise<boolean> {
    if (this.#left === 0 || this.#signal.aborted) return false;
    await this.#pause();
    return !this.#signal.aborted;
  }

  async #pause(wantedMs = 0): Promise<void> {
    this.#left--;
    // Many jobs that failed together do not come back together.
    const jitter = 0.75 + Math.random() / 2;
    await pause(Math.max(wantedMs, this.#pauseMs * jitter), this.#signal);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
  }
}

/** `Retry-After` in milliseconds: seconds or a date. Source: RFC 9110 section 10.2.3. */
export function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
