/**
 * The test harness: uvu's suite without hooks. A file imports `test`, writes sentences, and that is all: the suite
 * runs by itself, so that a forgotten `.run()` cannot pass. The runner (`scripts/test`) starts one process per
 * file and demands that passed == total > 0.
 */
import { suite } from "uvu";
import { Assertion } from "uvu/assert";
import { Undo } from "../../core/support/undo.ts";

export * as assert from "uvu/assert";

const all = suite();
let scheduled = false;

/**
 * One behaviour, as a sentence. What the body makes it registers with `undo`, which runs when the body ended,
 * passed or not; an undo step that fails fails the test.
 */
export function test(behaviour: string, body: (undo: Undo) => Promise<void> | void): void {
  all(behaviour, () => runOne(new Undo(behaviour), body));
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => all.run(), 0);
}

async function runOne(undo: Undo, body: (undo: Undo) => Promise<void> | void): Promise<void> {
  const failures: unknown[] = [];
  try {
    await body(undo);
  } catch (error) {
    failures.push(error);
  }
  await undo.run().catch((error) => failures.push(error));
  if (failures.length > 1) process.stderr.write(`${failures[1]}\n`);
  if (failures.length > 0) throw readable(failures[0]);
}

/** uvu prints an assertion's details; what else has a field of that name crashes it. */
function readable(error: unknown): unknown {
  if (error instanceof Assertion || !(error instanceof Error)) return error;
  const plain = new Error(error.message, { cause: error.cause });
  plain.stack = error.stack;
  return plain;
}

/** Awaits a promise that must reject; returns what it rejected with. */
export async function rejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected a rejection, and it resolved");
}

/** Waits for something to become true, asking often; fails after a deadline, saying what it waited for. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
