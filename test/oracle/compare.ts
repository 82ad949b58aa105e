import type { Recording } from "./ask.ts";

/** A place where an answer differs: the step, the way into it, and both sides as JSON. */
export interface Difference {
  readonly step: string;
  /** `body.HostConfig.Memory`, `status`, `contentType`. */
  readonly path: string;
  readonly oracle: string;
  readonly ours: string;
}

/** Everything in which our answers differ from the oracle's, field by field. */
export function differences(oracle: Recording, ours: Recording): Difference[] {
  return Object.entries(oracle).flatMap(([step, answer]) => {
    const found: Omit<Difference, "step">[] = [];
    compare(answer, ours[step], "", found);
    return found.map((each) => ({ step, ...each }));
  });
}

function compare(oracle: unknown, ours: unknown, path: string, found: Omit<Difference, "step">[]): void {
  if (isObject(oracle) && isObject(ours)) {
    for (const key of new Set([...Object.keys(oracle), ...Object.keys(ours)])) {
      compare(oracle[key], ours[key], path ? `${path}.${key}` : key, found);
    }
  } else if (JSON.stringify(oracle) !== JSON.stringify(ours)) {
    found.push({ path, oracle: text(oracle), ours: text(ours) });
  }
}

const text = (value: unknown) => JSON.stringify(value) ?? "absent";

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
