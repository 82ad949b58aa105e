/** A moment with more than a Date's milliseconds: Docker's timestamps have nine decimals. */
export interface Instant {
  /** Since 1970, whole. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

/** What Docker shows for a moment that has not come. Source: Go's zero time. */
export const never = "0001-01-01T00:00:00Z";

const driftMs = 50;
let originMs = performance.timeOrigin;

/** The time now, to the microsecond; follows the system's clock when that is set. */
export function now(): Instant {
  const clockMs = Date.now();
  let ms = originMs + performance.now();
  if (Math.abs(ms - clockMs) > driftMs) {
    originMs += clockMs - ms;
    ms = clockMs;
  }
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: Math.floor((ms - seconds * 1000) * 1e6) };
}

export const instantOf = (date: Date): Instant => {
  const seconds = Math.floor(date.getTime() / 1000);
  return { seconds, nanoseconds: (date.getTime() - seconds * 1000) * 1e6 };
};

/** RFC 3339 with nine decimals, always: log lines. */
export function fixedNanoseconds(at: Instant): string {
  const date = new Date(at.seconds * 1000).toISOString().slice(0, 19);
  return `${date}.${String(at.nanoseconds).padStart(9, "0")}Z`;
}

/** RFC 3339 without trailing zeros: inspect. */
export const rfc3339 = (at: Instant): string => fixedNanoseconds(at).replace(/\.?0+Z$/, "Z");

/** Negative, zero or positive, as for sorting. */
export const compare = (a: Instant, b: Instant): number =>
  a.seconds - b.seconds || a.nanoseconds - b.nanoseconds;
