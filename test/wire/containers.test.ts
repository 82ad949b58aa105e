/** The life of a container with the docker CLI: create to rm, logs, attach, wait, stop and kill. */
import { once } from "node:events";
import { assert, eventually, test } from "../support/test.ts";
import { size, testWithEachCli, wire } from "../support/wire.ts";

const daemon = wire();

testWithEachCli("creates, starts, waits, inspects and removes", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const id = await docker.ok(["create", "--name", "one", "-e", "A=1", "busybox", "sh", "-c", "exit 4"]);
  const state = ["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.Config.Env}}", "one"];
  assert.match(await docker.ok(state), /^created 0 \[.*A=1.*\]$/);
  assert.is(await docker.ok(["start", "one"]), "one");
  assert.is(await docker.ok(["wait", "one"]), "4");
  assert.match(await docker.ok(state), /^exited 4 /);
  assert.match(
    await docker.ok(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Status}}"]),
    new RegExp(`^${id} busybox Exited \\(4\\)`),
  );
  assert.is(await docker.ok(["rm", "one"]), "one");
  const gone = await docker.run(["inspect", "one"]);
  assert.is(gone.code, 1);
  assert.match(gone.stderr, /No such object: one/i);
});

test("starts again what ended, and keeps what it wrote", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["create", "--name", "again", "busybox", "sh", "-c", "echo x >> /f; wc -l < /f"]);
  assert.is(await docker.ok(["start", "-a", "again"]), "1");
  assert.is(await docker.ok(["start", "-a", "again"]), "2");
});

testWithEachCli("shows logs: whole, the tail, with times, since a time", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  await docker.ok(["run", "--name", "mixed", "busybox", "sh", "-c", "echo out; echo err >&2"]);
  assert.equal(await docker.run(["logs", "mixed"]), { code: 0, stdout: "out\n", stderr: "err\n" });
  await docker.ok(["run", "--name", "talker", "busybox", "sh", "-c", "echo one; echo two; echo three"]);
  assert.is(await docker.ok(["logs", "--tail", "2", "talker"]), "two\nthree");
  assert.match(await docker.ok(["logs", "-t", "talker"]), /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z one\n/);
  assert.is(await docker.ok(["logs", "--since", "2100-01-01T00:00:00Z", "talker"]), "");
  assert.is(await docker.ok(["logs", "--since", "10m", "talker"]), "one\ntwo\nthree");
});

testWithEachCli("follows logs until the container ends", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  await docker.ok([
    "run",
    "-di",
    "--name",
    "slow",
    "busybox",
    "sh",
    "-c",
    "echo early; read line; echo late",
  ]);
  const follower = docker.start(["logs", "-f", "slow"]);
  let text = "";
  follower.stdout!.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
  const ended = new Promise((resolve) => follower.once("close", resolve));
  await eventually("the first line", () => text === "early\n");
  await docker.run(["attach", "slow"], { stdin: "go\n" });
  assert.is(await ended, 0);
  assert.is(text, "early\nlate\n");
});

testWithEachCli("attaches to what runs, and gets its exit code", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const script = 'read line; echo "heard $line"; read line; exit 6';
  await docker.ok(["run", "-di", "--name", "asker", "busybox", "sh", "-c", script]);
  const attached = docker.start(["attach", "asker"]);
  const ended = once(attached, "close");
  attached.stdin!.write("something\n");
  const [heard] = await once(attached.stdout!.setEncoding("utf8"), "data");
  assert.is(heard, "heard something\n");
  attached.stdin!.end("more\n");
  assert.equal(await ended, [6, null]);
});

testWithEachCli("stops with the stop signal, and kills what does not listen", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const polite = 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done';
  await docker.ok(["run", "-d", "--name", "polite", "busybox", "sh", "-c", polite]);
  await eventually("the trap to be set", async () => (await docker.ok(["logs", "polite"])).includes("up"));
  await docker.ok(["stop", "polite"]);
  assert.is(await docker.ok(["inspect", "--format", "{{.State.ExitCode}}", "polite"]), "3");
  await docker.ok(["run", "-d", "--name", "deaf", "busybox", "sleep", "1000"]);
  await docker.ok(["stop", "-t", "1", "deaf"]);
  assert.is(await docker.ok(["inspect", "--format", "{{.State.ExitCode}}", "deaf"]), "137");
});

testWithEachCli("sends the signal that kill -s names", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const script = 'trap "echo got it; exit 9" USR1; echo up; while :; do sleep 0.05; done';
  await docker.ok(["run", "-d", "--name", "listener", "busybox", "sh", "-c", script]);
  await eventually("the trap to be set", async () => (await docker.ok(["logs", "listener"])).includes("up"));
  assert.is(await docker.ok(["kill", "-s", "USR1", "listener"]), "listener");
  assert.is(await docker.ok(["wait", "listener"]), "9");
  assert.match(await docker.ok(["logs", "listener"]), "got it");
  const ended = await docker.run(["kill", "listener"]);
  assert.is(ended.code, 1);
  assert.match(ended.stderr, "is not running");
});

test("refuses to remove what runs, unless forced", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["run", "-d", "--name", "busy", "busybox", "sleep", "1000"]);
  const refused = await docker.run(["rm", "busy"]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /cannot remove container .*busy/);
  assert.is(await docker.ok(["rm", "-f", "busy"]), "busy");
});

test("wait answers every waiter, before and after the end", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["run", "-di", "--name", "waited", "busybox", "sh", "-c", "read line; exit 5"]);
  const waiters = [1, 2, 3].map(() => docker.ok(["wait", "waited"]));
  await docker.run(["attach", "waited"], { stdin: "\n" });
  assert.equal(await Promise.all(waiters), ["5", "5", "5"]);
  assert.is(await docker.ok(["wait", "waited"]), "5");
});

test("lists by filter", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["run", "-d", "--name", "runs", "--label", "a=1", "busybox", "sleep", "1000"]);
  await docker.ok(["run", "--name", "ended", "--label", "a=2", "busybox", "true"]);
  const names = (...filters: string[]) =>
    docker.ok(["ps", "-a", "--format", "{{.Names}}", ...filters.flatMap((filter) => ["--filter", filter])]);
  assert.is(await names("status=running"), "runs");
  assert.is(await names("label=a=2"), "ended");
  assert.is(await names("name=runs"), "runs");
  assert.is(await names("label=a", "status=exited"), "ended");
});

test("runs many containers at once, and closing the job ends them all", async (undo) => {
  const job = await daemon.job(undo);
  const count = size(200, 12);
  const names = Array.from({ length: count }, (_, index) => `c${index}`);
  for (let at = 0; at < count; at += 4) {
    await Promise.all(
      names.slice(at, at + 4).map((name) =>
        job.docker.ok(["run", "-d", "--name", name, "busybox", "sleep", "1000"])
      ),
    );
  }
  assert.is((await job.docker.ok(["ps", "-q"])).split("\n").length, count);
  assert.is(await job.docker.ok(["run", "--rm", "busybox", "echo", "room for more"]), "room for more");
  await job.close();
});

daemon.leavesNothing();
