/** `docker run` as people type it, with every CLI at hand. */
import { assert, eventually, test } from "../support/test.ts";
import { testWithEachCli, wire } from "../support/wire.ts";

const daemon = wire();

testWithEachCli("prints what the container prints, each stream to its own", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const result = await docker.run(["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2"]);
  assert.equal(result, { code: 0, stdout: "out\n", stderr: "err\n" });
});

testWithEachCli("passes environment, directory, user, hostname and entrypoint", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const script = 'echo "$GREETING|$(pwd)|$(id -u):$(id -g)|$(hostname)"';
  const options = [
    "-e",
    "GREETING=hello there",
    "-w",
    "/made/here",
    "-u",
    "1234:1235",
    "--hostname",
    "berthed",
  ];
  const printed = await docker.ok(["run", "--rm", ...options, "--entrypoint", "sh", "busybox", "-c", script]);
  assert.is(printed, "hello there|/made/here|1234:1235|berthed");
});

test("finds users by name in the image, with their groups", async (undo) => {
  const { docker } = await daemon.job(undo);
  assert.is(
    await docker.ok(["run", "--rm", "-u", "worker", "busybox", "id"]),
    "uid=1234(worker) gid=1235(workers) groups=1235(workers),1236(helpers)",
  );
  const unknown = await docker.run(["run", "--rm", "-u", "stranger", "busybox", "true"]);
  assert.is(unknown.code, 125);
  assert.match(unknown.stderr, "unable to find user stranger");
});

test("takes image defaults for what the command line leaves out", async (undo) => {
  const config = {
    Entrypoint: ["/bin/echo", "from entrypoint"],
    Cmd: ["from cmd"],
    Env: ["PATH=/bin", "A=image"],
    WorkingDir: "/tmp",
    User: "1234",
    Labels: { origin: "image" },
  };
  const { docker } = await daemon.job(undo, { image: { config } });
  assert.is(await docker.ok(["run", "--rm", "busybox"]), "from entrypoint from cmd");
  assert.is(await docker.ok(["run", "--rm", "busybox", "given"]), "from entrypoint given");
  const script = 'echo "$A|$(pwd)|$(id -u)"';
  assert.is(
    await docker.ok(["run", "--rm", "--entrypoint", "/bin/sh", "busybox", "-c", script]),
    "image|/tmp|1234",
  );
});

testWithEachCli("exits as the container exits", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  for (const code of [0, 1, 7, 125, 126, 127, 137, 255]) {
    const result = await docker.run(["run", "--rm", "busybox", "sh", "-c", `exit ${code}`]);
    assert.is(result.code, code, result.stderr);
  }
});

testWithEachCli("exits with 125, 126 and 127 when the container cannot start", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const missingImage = await docker.run(["run", "--rm", "--pull", "never", "nosuch:image", "true"]);
  assert.is(missingImage.code, 125);
  assert.match(missingImage.stderr, "No such image: nosuch:image");
  const notExecutable = await docker.run(["run", "--rm", "busybox", "/etc"]);
  assert.is(notExecutable.code, 126, notExecutable.stderr);
  const missingCommand = await docker.run(["run", "--rm", "busybox", "no-such-command"]);
  assert.is(missingCommand.code, 127, missingCommand.stderr);
  assert.match(missingCommand.stderr, "executable file not found in $PATH");
  assert.is(await docker.ok(["ps", "-aq"]), "", "--rm removes what never started");
});

test("tells that a process died from a signal with 128 and its number", async (undo) => {
  const { docker } = await daemon.job(undo);
  const running = docker.run(["run", "--rm", "--name", "victim", "busybox", "sleep", "1000"]);
  await eventually(
    "the container to run",
    async () => await docker.ok(["ps", "-q", "--filter", "status=running"]),
  );
  await docker.ok(["kill", "victim"]);
  assert.is((await running).code, 137);
});

testWithEachCli("removes with --rm, and keeps without it under its name", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  await docker.ok(["run", "--rm", "busybox", "true"]);
  await docker.ok(["run", "--name", "kept", "--label", "kind=test", "busybox", "true"]);
  const format = ["--format", '{{.Names}} {{.Status}} {{.Label "kind"}}'];
  assert.match(await docker.ok(["ps", "-a", ...format]), /^kept Exited \(0\) .* test$/);
});

testWithEachCli("runs detached and prints the container's ID", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const id = await docker.ok(["run", "-d", "busybox", "sleep", "1000"]);
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.is(await docker.ok(["ps", "-q", "--no-trunc"]), id);
  assert.is(await docker.ok(["rm", "-f", id]), id);
  assert.is(await docker.ok(["ps", "-aq"]), "");
});

testWithEachCli("pipes standard input in and its end too", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  assert.is(await docker.ok(["run", "--rm", "-i", "busybox", "cat"], { stdin: "piped\n" }), "piped");
  assert.is(await docker.ok(["run", "--rm", "-i", "busybox", "wc", "-c"], { stdin: "" }), "0");
});

test("carries four megabytes through standard input and output unchanged", async (undo) => {
  const { docker } = await daemon.job(undo);
  const stdin = "0123456789abcde\n".repeat(1 << 18);
  const { code, stdout } = await docker.run(["run", "--rm", "-i", "busybox", "cat"], { stdin });
  assert.is(code, 0);
  assert.ok(stdout === stdin, `got ${stdout.length} of ${stdin.length} characters`);
});

test("gives standard input to the container only with -i", async (undo) => {
  const { docker } = await daemon.job(undo);
  assert.is(await docker.ok(["run", "--rm", "busybox", "wc", "-c"], { stdin: "unseen" }), "0");
});

testWithEachCli("gives a terminal with -t", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const command = [
    "run",
    "--rm",
    "-t",
    "busybox",
    "sh",
    "-c",
    "test -t 0 && test -t 1 && echo has a terminal",
  ];
  const { code, stdout } = await docker.run(command, { terminal: true });
  assert.is(code, 0, stdout);
  assert.match(stdout, /has a terminal\r/);
});

test("reads what is typed at a terminal", async (undo) => {
  const { docker } = await daemon.job(undo);
  const command = ["run", "--rm", "-it", "busybox", "sh", "-c", 'read line; echo "got <$line>"'];
  const { code, stdout } = await docker.run(command, { terminal: true, stdin: "typed\n" });
  assert.is(code, 0, stdout);
  assert.match(stdout, "got <typed>");
});

test("keeps two jobs' containers, names and images apart", async (undo) => {
  const one = await daemon.job(undo, { image: { tags: ["only-one:1"] } });
  const two = await daemon.job(undo, { image: { tags: ["only-two:1"] } });
  await one.docker.ok(["run", "-d", "--name", "same", "only-one:1", "sleep", "1000"]);
  await two.docker.ok(["run", "-d", "--name", "same", "only-two:1", "sleep", "1000"]);
  assert.is(await one.docker.ok(["ps", "-a", "--format", "{{.Image}}"]), "only-one:1");
  assert.is(await two.docker.ok(["images", "--format", "{{.Repository}}"]), "only-two");
  await one.docker.ok(["rm", "-f", "same"]);
  assert.is(await two.docker.ok(["ps", "--format", "{{.Names}}"]), "same");
});

daemon.leavesNothing();
