/** Sizes and times as people write and read them on the command line. */
import { InvalidArgumentError } from "commander";

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const timeUnits: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Reads a size: `500000`, `20GB`, `1.5GiB`. In bytes. */
export function parseBytes(text: string): number {
  return parseMeasure(text, sizeUnits, "a size such as 20GB or 20GiB");
}

/** Reads a time span: `90s`, `24h`, `7d`. In milliseconds. */
export function parseSpan(text: string): number {
  return parseMeasure(text, timeUnits, "a time such as 30m, 24h or 7d");
}

function parseMeasure(text: string, units: Readonly<Record<string, number>>, what: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([a-z]*)$/i.exec(text);
  const unit = match && units[match[2]!.toLowerCase()];
  const value = unit ? Math.round(Number(match[1]) * unit) : NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError(`It must be ${what}.`);
  return value;
}

/** A size in decimal units, as Docker shows sizes: `12.3MB`. */
export function bytesText(sizeBytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = sizeBytes;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : Number(value.toPrecision(3))}${units[unit]}`;
}

/** How long ago something was, in its largest unit: `3 hours ago`. */
export function ageText(ageMs: number): string {
  const names: readonly (readonly [string, number])[] = [
    ["day", timeUnits["d"]!],
    ["hour", timeUnits["h"]!],
    ["minute", timeUnits["m"]!],
    ["second", timeUnits["s"]!],
  ];
  for (const [name, unitMs] of names) {
    const count = Math.floor(ageMs / unitMs);
    if (count > 0) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}
