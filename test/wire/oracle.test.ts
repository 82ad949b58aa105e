import { readFile } from "node:fs/promises";
import { accepted, isAccepted } from "../oracle/accepted.ts";
import { differences } from "../oracle/compare.ts";
import type { Recording } from "../oracle/ask.ts";
import { play } from "../oracle/play.ts";
import { recordingPath } from "../oracle/recording.ts";
import { startDaemon } from "../support/daemon.ts";
import { startRegistry } from "../support/registry.ts";
import { assert, test } from "../support/test.ts";

test("answers as Docker Engine does, but for the differences that are meant", async (undo) => {
  const { answers } = JSON.parse(await readFile(recordingPath, "utf8")) as { answers: Recording };
  const daemon = await startDaemon(undo);
  const { socketPath } = await daemon.job(undo);
  const all = differences(answers, await play(socketPath, await startRegistry(undo)));
  const surprising = all.filter((each) => !isAccepted(each))
    .map(({ step, path, oracle, ours }) => `${step}: ${path} is ${ours}, Docker's is ${oracle}`);
  assert.is(surprising.join("\n"), "");
  const met = new Set(all.map(isAccepted));
  assert.equal(
    accepted.filter((each) => !each.dependsOnHost && !met.has(each)).map(({ why }) => why),
    [],
    "accepted, and gone",
  );
});
