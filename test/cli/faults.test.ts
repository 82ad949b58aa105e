import { watchFaults } from "../../core/cli/faults.ts";
import { silent } from "../../core/support/logger.ts";
import { assert, eventually, test } from "../support/test.ts";

test("logs a promise that failed unheard and goes on; stops for an error thrown by an event", async (undo) => {
  const logged: string[] = [];
  let stops = 0;
  const log = { ...silent, error: (fields: object) => logged.push((fields as { error: string }).error) };
  undo.add("faults", watchFaults(log, () => stops++));
  undo.add("exit code", () => process.exitCode = 0);
  void Promise.reject(new Error("unheard"));
  await eventually("the rejection in the log", () => logged.includes("unheard"));
  assert.equal([stops, process.exitCode ?? 0], [0, 0]);
  setTimeout(() => {
    throw new Error("thrown");
  }, 0);
  await eventually("the exception in the log", () => logged.includes("thrown"));
  assert.equal([stops, process.exitCode], [1, 1]);
});
