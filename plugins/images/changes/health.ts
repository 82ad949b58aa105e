import { invalid } from "../../../core/support/errors.ts";
import { durationNanoseconds } from "./durations.ts";
import type { InstructionLine } from "./lines.ts";
import { jsonWords } from "./words.ts";

const durations = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
} as const;

/** Flags that HEALTHCHECK knows. */
export const healthFlags: readonly string[] = [...Object.keys(durations), "retries"];

const shortestNanoseconds = 1e6;

/** A health check as HEALTHCHECK describes it. Errors: `invalid` in Docker's words. */
export function healthCheck({ rest }: InstructionLine, flags: ReadonlyMap<string, string>): object {
  if (rest === "") throw invalid("HEALTHCHECK requires at least one argument");
  const [type = ""] = rest.split(/\s/, 1);
  const command = rest.slice(type.length).trim();
  const words = jsonWords(command);
  if (type.toUpperCase() === "NONE") {
    if (command !== "" && words?.length !== 0) throw invalid("HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type.toUpperCase() !== "CMD") {
    throw invalid(
      `Unknown type ${JSON.stringify(type.slice(0, 200).toUpperCase())} in HEALTHCHECK (try CMD)`,
    );
  }
  if (command === "" || words?.length === 0) throw invalid("Missing command after HEALTHCHECK CMD");
  return { Test: words ? ["CMD", ...words] : ["CMD-SHELL", command], ...limits(flags) };
}

/** Zero stands for the default, as does leaving it out. */
function limits(flags: ReadonlyMap<string, string>): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [flag, field] of Object.entries(durations)) {
    const value = flags.get(flag);
    const duration = value ? durationNanoseconds(value) : 0;
    if (duration === 0) continue;
    if (duration < shortestNanoseconds) {
      throw invalid(`Interval ${JSON.stringify(flag)} cannot be less than 1ms`);
    }
    found[field] = duration;
  }
  const retries = retriesOf(flags.get("retries"));
  if (retries > 0) found.Retries = retries;
  return found;
}

function retriesOf(text: string | undefined): number {
  if (!text) return 0;
  const shown = JSON.stringify(text.slice(0, 200));
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`strconv.ParseInt: parsing ${shown}: invalid syntax`);
  const retries = Number(text);
  if (Math.abs(retries) > 2 ** 31 - 1) {
    throw invalid(`strconv.ParseInt: parsing ${shown}: value out of range`);
  }
  if (retries < 0) throw invalid(`--retries cannot be negative (${retries})`);
  return retries;
}
