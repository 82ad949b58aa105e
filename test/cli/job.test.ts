import { UndoFailed } from "../../core/support/undo.ts";
import { serveControl, temporaryDir } from "../control/fakes.ts";
import { assert, test } from "../support/test.ts";
import { berth } from "./berth.ts";

test("prints the socket's path alone when a job opens", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const opened = await berth(
    ...["job", "open", "j1", "--data-dir", dataDir, "--pid", String(process.pid)],
    ...["--label", "team=a", "--label", "url=a=b", "--socket-mode", "660", "--socket-gid", "7"],
  );
  assert.equal(opened, { exitCode: 0, stdout: "/var/lib/berth/jobs/j1/docker/d.sock\n", stderr: "" });
  assert.equal(jobs.requests, [{
    id: "j1",
    labels: { team: "a", url: "a=b" },
    callerNetns: `/proc/${process.pid}/ns/net`,
    socket: { mode: 0o660, uid: undefined, gid: 7 },
  }]);
});

test("prints everything about a job as JSON when asked to", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const opened = await berth("job", "open", "j1", "--json", "--data-dir", dataDir, "--label", "a=b");
  const job = JSON.parse(opened.stdout);
  assert.equal(job, {
    id: "j1",
    state: "open",
    socketPath: "/var/lib/berth/jobs/j1/docker/d.sock",
    dir: "/var/lib/berth/jobs/j1",
    labels: { a: "b" },
    openedAt: "2026-01-02T03:04:05.000Z",
  });
  assert.equal(JSON.parse((await berth("job", "show", "j1", "--json", "--data-dir", dataDir)).stdout), job);
  assert.equal(JSON.parse((await berth("job", "ls", "--json", "--data-dir", dataDir)).stdout), [job]);
});

test("lists, shows and closes jobs in words", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  await jobs.open({ id: "j1", labels: { a: "b" } });
  const list = await berth("job", "ls", "--data-dir", dataDir);
  assert.match(list.stdout, /^ID +STATE +OPENED +LABELS +SOCKET\nj1 +open +2026-\S+ +a=b +\/var\/\S+\n$/);
  assert.match((await berth("job", "show", "j1", "--data-dir", dataDir)).stdout, /^id: +j1\nstate: +open\n/);
  assert.equal(await berth("job", "close", "j1", "--data-dir", dataDir), {
    exitCode: 0,
    stdout: "",
    stderr: "",
  });
  assert.equal(jobs.list(), []);
});

test("shows no terminal what a label would have it do", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  await jobs.open({ id: "j1", labels: { a: "\x1b[2Jb\n" } });
  assert.match((await berth("job", "ls", "--data-dir", dataDir)).stdout, / a= \[2Jb +\//);
  assert.match((await berth("job", "show", "j1", "--data-dir", dataDir)).stdout, /\nlabels: +a= \[2Jb \n$/);
});

test("fails with the daemon's own words", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const closed = await berth("job", "close", "j9", "--data-dir", dataDir);
  assert.equal(closed, { exitCode: 1, stdout: "", stderr: "berth: no such job: j9\n" });
  const asJson = await berth("job", "show", "j9", "--json", "--data-dir", dataDir);
  assert.equal(JSON.parse(asJson.stderr), { error: { kind: "not-found", message: "no such job: j9" } });
});

test("fails when a closed job left something behind, and names it", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  await jobs.open({ id: "j1" });
  jobs.closeFailure = new UndoFailed("job j1", [new Error("container c1: busy")]);
  const closed = await berth("job", "close", "j1", "--data-dir", dataDir);
  assert.is(closed.exitCode, 1);
  assert.is(closed.stderr, "berth: job j1 is closed, but left behind: container c1: busy\n");
});

test("says how to start a daemon when none is running", async (undo) => {
  const dataDir = await temporaryDir(undo);
  const listed = await berth("job", "ls", "--data-dir", dataDir);
  assert.is(listed.exitCode, 1);
  assert.is(listed.stderr, `berth: no daemon is running at ${dataDir}: start one with \`berth serve\`\n`);
});

test("refuses a namespace that is not there, or would be its own", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const open = (...words: string[]) => berth("job", "open", "j1", "--data-dir", dataDir, ...words);
  assert.match((await open("--pid", "4194305")).stderr, /--pid 4194305: there is no such process/);
  assert.match((await open("--netns", "/nowhere")).stderr, /--netns \/nowhere: there is no such file/);
  assert.match((await open("--netns", "/proc/self/ns/net")).stderr, /use --pid \$\$/);
  assert.equal(jobs.requests, []);
});

test("tells a wrong command line apart from a failure", async () => {
  for (
    const words of [["nonsense"], ["job", "open"], ["job", "ls", "--wrong"], [
      "job",
      "open",
      "j1",
      "--label",
      "x",
    ], []]
  ) {
    assert.is((await berth(...words)).exitCode, 2, words.join(" "));
  }
  const help = await berth("--help");
  assert.is(help.exitCode, 0);
  assert.match(help.stdout, /serve/);
});
