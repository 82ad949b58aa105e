import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { UndoFailed } from "../../core/support/undo.ts";
import { serveControl, temporaryDir } from "../control/fakes.ts";
import { assert, eventually, test } from "../support/test.ts";
import { berth, ended, startBerth } from "./berth.ts";

const shell = (script: string) => ["--", "/bin/sh", "-c", script];

test("runs a command with the job's socket in its environment, and closes the job", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const env = { DOCKER_HOST: "tcp://elsewhere:1", DOCKER_TLS_VERIFY: "1", DOCKER_CONTEXT: "elsewhere" };
  const script = 'echo "$DOCKER_HOST $BERTH_JOB [$DOCKER_TLS_VERIFY$DOCKER_CONTEXT]"; cat';
  const child = startBerth(
    ["run", "--id", "r1", "--data-dir", dataDir, "--label", "a=b", ...shell(script)],
    env,
  );
  child.stdin!.end("from standard input\n");
  assert.equal(await ended(child), {
    exitCode: 0,
    stdout: "unix:///var/lib/berth/jobs/r1/docker/d.sock r1 []\nfrom standard input\n",
    stderr: "",
  });
  assert.equal(jobs.requests.map(({ id, labels }) => [id, labels]), [["r1", { a: "b" }]]);
  assert.equal(jobs.list(), []);
});

test("passes exit codes through, as shells report them", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const run = async (...words: string[]) => (await berth("run", "--data-dir", dataDir, ...words)).exitCode;
  assert.is(await run(...shell("exit 42")), 42);
  assert.is(await run(...shell("kill -KILL $$")), 137);
  assert.is(await run("--", "no-such-command-here"), 127);
  assert.is(await run("--", "/etc/passwd"), 126);
  assert.is(jobs.requests.length, 4);
  assert.equal(jobs.list(), []);
});

test("leaves a command's own options alone", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const { stdout } = await berth(
    "run",
    "--data-dir",
    dataDir,
    "--",
    "echo",
    "--json",
    "--id",
    "x",
    "--",
    "y",
  );
  assert.is(stdout, "--json --id x -- y\n");
});

test("passes signals on to the command, and closes the job after it", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
  const child = startBerth(["run", "--data-dir", dataDir, ...shell(script)]);
  const end = ended(child);
  child.stdout!.once("data", () => process.kill(child.pid!, "SIGTERM"));
  assert.equal(await end, { exitCode: 7, stdout: "ready\ncaught\n", stderr: "" });
  assert.equal(jobs.list(), []);
});

test("loses no job when it is killed itself", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const child = startBerth(["run", "--data-dir", dataDir, "--", "cat"]);
  const end = ended(child);
  await eventually("the job to open", () => jobs.list().length === 1);
  process.kill(child.pid!, "SIGKILL");
  await end;
  await eventually("the daemon to close the job", () => jobs.list().length === 0);
});

test("passes the exit code through when something is left behind, and names it", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  jobs.closeFailure = new UndoFailed("job r1", [new Error("container c1: busy")]);
  const { exitCode, stderr } = await berth("run", "--id", "r1", "--data-dir", dataDir, ...shell("exit 3"));
  assert.is(exitCode, 3);
  assert.match(stderr, /^berth: .*job r1: left behind: container c1: busy\n$/);
});

test("does not run the command when the job cannot be opened", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  await jobs.open({ id: "r1" });
  const mark = join(dataDir, "mark");
  const { exitCode, stderr } = await berth("run", "--id", "r1", "--data-dir", dataDir, "--", "touch", mark);
  assert.equal([exitCode, stderr], [1, "berth: job r1 is open already\n"]);
  await rm(mark).then(() => assert.unreachable(), () => {});
  assert.is(jobs.list().length, 1);
});

test("says why no daemon of its own could be started", async (undo) => {
  const dataDir = await temporaryDir(undo);
  const config = join(dataDir, "missing.toml");
  const { exitCode, stderr } = await berth("run", "--data-dir", dataDir, "--config", config, "--", "true");
  assert.is(exitCode, 1);
  assert.match(
    stderr,
    /^berth: no daemon is running, and one of this run's own did not start: .*missing\.toml/,
  );
  assert.match(await readFile(join(dataDir, "daemon.log"), "utf8"), /missing\.toml/);
});
