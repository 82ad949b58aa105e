import type { Outcome } from "./run-file.ts";

/** One line for a file that ended. */
export function line(outcome: Outcome): string {
  const mark = outcome.failed === 0 ? "ok  " : "FAIL";
  const counts = `${outcome.passed}/${outcome.total}`.padStart(7);
  const why = outcome.trouble ? `  (${outcome.trouble})` : "";
  return `${mark} ${outcome.runtime} ${counts} ${
    outcome.seconds.toFixed(1).padStart(6)
  } s  ${outcome.file}${why}`;
}

/** Everything a failed file printed, under its name. */
export function failureText(outcome: Outcome): string {
  const title = `---- ${outcome.file} on ${outcome.runtime}: ${
    outcome.trouble ?? `${outcome.failed} failed`
  }`;
  return `\n${title}\n${outcome.output.trimEnd()}\n`;
}

/** Totals by runtime, then the closing line `N passed, N failed` alone. */
export function summary(outcomes: readonly Outcome[]): string {
  const rows = [...new Set(outcomes.map(({ runtime }) => runtime))].map((runtime) => {
    const own = outcomes.filter((each) => each.runtime === runtime);
    const seconds = own.reduce((all, each) => all + each.seconds, 0).toFixed(0);
    return `${runtime}: ${own.length} files, ${count(own, "passed")} passed, ${
      count(own, "failed")
    } failed, ${seconds} s`;
  });
  return ["", ...rows, "", `${count(outcomes, "passed")} passed, ${count(outcomes, "failed")} failed`].join(
    "\n",
  );
}

function count(outcomes: readonly Outcome[], what: "passed" | "failed"): number {
  return outcomes.reduce((all, each) => all + each[what], 0);
}
