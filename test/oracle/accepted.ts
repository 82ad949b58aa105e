import type { Difference } from "./compare.ts";

/** A difference from Docker Engine that is meant, and why. */
export interface Accepted {
  /** Which steps. */
  readonly step: RegExp;
  /** Which places in the answer. */
  readonly path: RegExp;
  readonly why: string;
}

/** All differences that are meant. One that no longer occurs fails the test, so that the list stays true. */
export const accepted: readonly Accepted[] = [];

/** Whether somebody accounted for a difference. */
export function isAccepted({ step, path }: Difference): Accepted | undefined {
  return accepted.find((each) => each.step.test(step) && each.path.test(path));
}
