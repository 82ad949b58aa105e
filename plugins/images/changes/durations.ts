import { invalid } from "../../../core/support/errors.ts";

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "µs": 1e3,
  "μs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** `1m30s` in nanoseconds. Errors: `invalid` in Go's words. Source: Go `time.ParseDuration`. */
export function durationNanoseconds(text: string): number {
  const shown = JSON.stringify(text.slice(0, 200));
  const unsigned = text.replace(/^[+-]/, "");
  if (unsigned === "0") return 0;
  const part = /(\d+\.?\d*|\.\d+)([^\d.]*)/y;
  let total = 0;
  while (part.lastIndex < unsigned.length || unsigned === "") {
    const [, number = "", unit = ""] = part.exec(unsigned) ?? [];
    if (number === "") throw invalid(`time: invalid duration ${shown}`);
    if (unit === "") throw invalid(`time: missing unit in duration ${shown}`);
    const factor = Object.hasOwn(nanoseconds, unit) ? nanoseconds[unit] : undefined;
    if (factor === undefined) {
      throw invalid(`time: unknown unit ${JSON.stringify(unit.slice(0, 200))} in duration ${shown}`);
    }
    total += Number(number) * factor;
  }
  if (total > 2 ** 63 - 1) throw invalid(`time: invalid duration ${shown}`);
  return Math.round(text.startsWith("-") ? -total : total);
}
