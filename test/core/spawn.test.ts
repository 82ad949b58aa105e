import { CommandFailed, run } from "../../core/support/spawn.ts";
import { assert, rejection, test } from "../support/test.ts";

test("gives a program its input and returns what it printed", async () => {
  const { stdout, exitCode } = await run("cat", [], { stdin: "hello" });
  assert.is(stdout, "hello");
  assert.is(exitCode, 0);
});

test("drains both outputs at once, far beyond what a pipe holds", async () => {
  const script = "head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero";
  const { stdout, stderr } = await run("sh", ["-c", script]);
  assert.is(stdout.length, 1_000_000);
  assert.is(stderr.length, 64 * 1024);
});

test("names the command, its exit code and its last words", async () => {
  const error = await rejection(run("sh", ["-c", "echo no such thing >&2; exit 3"])) as CommandFailed;
  assert.instance(error, CommandFailed);
  assert.is(error.exitCode, 3);
  assert.match(error.message, /^sh -c .* ended with exit code 3: no such thing$/);
});

test("accepts the exit codes it was told to accept", async () => {
  assert.is((await run("sh", ["-c", "exit 3"], { exitCodes: [0, 3] })).exitCode, 3);
});

test("says that a program does not exist", async () => {
  const error = await rejection(run("/nonexistent/program", []));
  assert.match(error.message, /^\/nonexistent\/program could not be started: .*ENOENT/);
});

test("kills a program and its children when the time is up", async () => {
  const before = Date.now();
  const error = await rejection(run("sh", ["-c", "sleep 30 & sleep 30"], { timeoutMs: 100 }));
  assert.match(error.message, /did not finish within 100 ms$/);
  assert.ok(Date.now() - before < 5_000);
});

test("kills a program when its signal fires, and rejects with the signal's reason", async () => {
  const reason = new Error("job closed");
  const abort = new AbortController();
  const ended = rejection(run("sleep", ["30"], { signal: abort.signal }));
  abort.abort(reason);
  assert.is(await ended, reason);
  assert.is(await rejection(run("sleep", ["30"], { signal: abort.signal })), reason);
});

test("kills a program that prints more than the limit", async () => {
  const error = await rejection(run("yes", [], { maxOutputBytes: 10_000 }));
  assert.match(error.message, /^yes printed more than 10000 bytes$/);
});
