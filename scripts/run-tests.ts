/**
 * Runs test files, each in a process of its own, on Node (compiled) and on Deno (source), and demands of each that
 * passed == total > 0. Files that run real containers run one at a time, the others two at a time.
 *
 *     run-tests [--quick] [--full] [--node-only | --deno-only] [--deadline SECONDS] [PATH-PART…]
 */
import { parseArgs } from "node:util";
import { findTests, planRuns, type Run, type Runtime, runtimes } from "./tests/files.ts";
import { failureText, line, summary } from "./tests/report.ts";
import { root } from "./tests/root.ts";
import { type Outcome, runFile } from "./tests/run-file.ts";

const { values: flags, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    "node-only": { type: "boolean", default: false },
    "deno-only": { type: "boolean", default: false },
    deadline: { type: "string", default: "120" },
  },
});

function wantedRuntimes(): readonly Runtime[] {
  if (flags["node-only"]) return ["node"];
  if (flags["deno-only"]) return ["deno"];
  return flags.quick ? ["node"] : runtimes;
}

async function runAll(runs: readonly Run[], atOnce: number, outcomes: Outcome[]): Promise<void> {
  const waiting = [...runs];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      // Real containers on a busy machine take their time: twice the deadline, four times at full size.
      const factor = (next.alone ? 2 : 1) * (flags.full ? 4 : 1);
      const outcome = await runFile(next, Number(flags.deadline) * 1000 * factor);
      console.log(line(outcome));
      if (outcome.failed > 0) console.log(failureText(outcome));
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

if (flags.full) process.env["BERTH_TEST_FULL"] = "1";
const runs = planRuns(findTests(root, filters), wantedRuntimes())
  .filter(({ alone }) => !(flags.quick && alone));
const outcomes: Outcome[] = [];
await runAll(runs.filter(({ alone }) => !alone), 2, outcomes);
await runAll(runs.filter(({ alone }) => alone), 1, outcomes);
console.log(summary(outcomes));
process.exit(outcomes.length > 0 && outcomes.every(({ failed }) => failed === 0) ? 0 : 1);
