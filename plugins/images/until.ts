/** Times as Docker's `until` filters have them. Source: moby `api/types/time`, `GetTimestamp`. */
import { invalid } from "../../core/support/errors.ts";

const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const durationPart = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const durationShape = new RegExp(`^[+-]?(?:${durationPart.source})+$`);
const dateShape =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?$/;
/** Longer texts are no time. */
const longestText = 64;

/**
 * Reads a moment: a duration before now (`24h`, `1h30m`), a date with or without time and zone (the host's zone
 * without one), or seconds since 1970. In milliseconds since 1970. Errors: `invalid` in Docker's words.
 */
export function parseMoment(text: string, nowMs: number): number {
  const moment = text.length > longestText ? undefined : momentOf(text, nowMs);
  if (moment === undefined || Number.isNaN(moment)) {
    throw invalid(`failed to parse value as time or duration: ${JSON.stringify(text.slice(0, longestText))}`);
  }
  return moment;
}

function momentOf(text: string, nowMs: number): number | undefined {
  if (durationShape.test(text)) return nowMs - durationMs(text);
  if (/^\d+(?:\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  const date = dateShape.exec(text);
  return date ? dateMs(date) : undefined;
}

function durationMs(text: string): number {
  const parts = [...text.matchAll(durationPart)];
  const sum = parts.reduce((total, [, count, unit]) => total + Number(count) * (unitsMs[unit ?? ""] ?? 0), 0);
  return text.startsWith("-") ? -sum : sum;
}

function dateMs(
  [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "0", zone]: string[],
) {
  const whole = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const milliseconds = Number(`0.${fraction}`) * 1000;
  // Without a zone, a date with a time is the host's time to JavaScript.
  return Date.parse(whole + (zone ?? "")) + milliseconds;
}
