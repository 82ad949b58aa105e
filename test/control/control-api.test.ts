import { lstat, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { controlClient, NoDaemon } from "../../core/control/client.ts";
import { openJobMessage } from "../../core/control/messages.ts";
import { controlSocketPath } from "../../core/control/socket-path.ts";
import type { JobRequest } from "../../core/jobs/jobs.ts";
import { apiErrorOf } from "../../core/support/errors.ts";
import { UndoFailed } from "../../core/support/undo.ts";
import { ControlServer } from "../../plugins/control/server.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { factsOf, FakeJobs, fakePlugins, serveControl, temporaryDir } from "./fakes.ts";

const kindAndWords = (error: Error) => [apiErrorOf(error)?.kind, apiErrorOf(error)?.message];

test("opens, shows, lists and closes a job with all that was asked for", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const client = controlClient(dataDir);
  const request: JobRequest = {
    id: "j1",
    labels: { team: "a" },
    callerNetns: "/proc/1/ns/net",
    socket: { uid: 1000, mode: 0o660 },
  };
  const { job } = await client.openJob(openJobMessage(request));
  assert.is(job!.socketPath, "/var/lib/berth/jobs/j1/docker/d.sock");
  assert.equal(jobs.requests[0], { ...request, socket: { uid: 1000, gid: undefined, mode: 0o660 } });
  assert.is((await client.showJob({ id: "j1" })).job!.openedAt, "2026-01-02T03:04:05.000Z");
  assert.equal((await client.listJobs({})).jobs.map(({ id, state }) => [id, state]), [["j1", "open"]]);
  assert.equal((await client.closeJob({ id: "j1" })).failures, []);
  assert.equal((await client.listJobs({})).jobs, []);
});

test("passes an error's kind and words through", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const client = controlClient(dataDir);
  await client.openJob({ id: "j1" });
  const taken = await rejection(client.openJob({ id: "j1" }));
  assert.equal(kindAndWords(taken), ["conflict", "job j1 is open already"]);
  const missing = await rejection(client.closeJob({ id: "j2" }));
  assert.equal(kindAndWords(missing), ["not-found", "no such job: j2"]);
});

test("reports what a close could not remove, one sentence each", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const client = controlClient(dataDir);
  await client.openJob({ id: "j1" });
  jobs.closeFailure = new UndoFailed("job j1", [new Error("container c1: busy"), new Error("network: gone")]);
  assert.equal((await client.closeJob({ id: "j1" })).failures, ["container c1: busy", "network: gone"]);
});

test("closes a held job when its caller goes away", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const caller = new AbortController();
  const held = controlClient(dataDir).holdJob({ open: { id: "j1" } }, { signal: caller.signal });
  const first = await held[Symbol.asyncIterator]().next();
  assert.is(first.value!.job!.id, "j1");
  assert.ok(jobs.jobs.has("j1"));
  caller.abort();
  await eventually("the job to be closed", () => !jobs.jobs.has("j1"));
});

test("ends a hold when the job is closed, and never closes a later job of the same id", async (undo) => {
  const { dataDir, jobs } = await serveControl(undo);
  const client = controlClient(dataDir);
  const answers = client.holdJob({ open: { id: "j1" } })[Symbol.asyncIterator]();
  await answers.next();
  await client.closeJob({ id: "j1" });
  await client.openJob({ id: "j1" });
  assert.is((await answers.next()).done, true);
  await client.listJobs({});
  assert.ok(jobs.jobs.has("j1"));
});

test("refuses to hold a job whose id is taken, in the same words as open", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const client = controlClient(dataDir);
  await client.openJob({ id: "j1" });
  const refused = await rejection(client.holdJob({ open: { id: "j1" } })[Symbol.asyncIterator]().next());
  assert.equal(kindAndWords(refused), ["conflict", "job j1 is open already"]);
});

test("stops while a job is held, and leaves the job to the daemon", async (undo) => {
  const { dataDir, jobs, server } = await serveControl(undo);
  const answers = controlClient(dataDir).holdJob({ open: { id: "j1" } })[Symbol.asyncIterator]();
  await answers.next();
  await server.close();
  assert.is((await answers.next()).done, true);
  assert.ok(jobs.jobs.has("j1"));
});

test("tells plugins, with the reason of those that do not run, and the daemon's facts", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const client = controlClient(dataDir);
  const { plugins } = await client.listPlugins({});
  assert.equal(plugins.map(({ id, state, reason }) => [id, state, reason]), [
    ["system", "running", ""],
    ["cni", "skipped", "no bridge plugin in /usr/lib/cni"],
  ]);
  assert.equal(plugins[0]!.routes.map(({ method, path }) => [method, path]), [["GET", "/info"]]);
  const daemon = await client.getDaemon({});
  assert.equal([daemon.version, daemon.dataDir, daemon.processId], ["9.8.7", dataDir, process.pid]);
});

test("lets nobody but the daemon's user at the socket, and removes it when it stops", async (undo) => {
  const { dataDir, server } = await serveControl(undo);
  const path = controlSocketPath(dataDir);
  const found = await lstat(path);
  assert.ok(found.isSocket());
  assert.is(found.mode & 0o777, 0o600);
  await server.close();
  assert.is((await rejection(lstat(path)) as NodeJS.ErrnoException).code, "ENOENT");
});

test("refuses a socket path that a file, a link or a living daemon has taken", async (undo) => {
  const open = (dataDir: string) => new ControlServer(new FakeJobs(), fakePlugins, factsOf(dataDir)).open();
  const withFile = await temporaryDir(undo);
  await writeFile(controlSocketPath(withFile), "precious");
  await rejection(open(withFile));
  assert.is(await readFile(controlSocketPath(withFile), "utf8"), "precious");
  const withLink = await temporaryDir(undo);
  await symlink(join(withFile, "elsewhere"), controlSocketPath(withLink));
  await rejection(open(withLink));
  assert.ok((await lstat(controlSocketPath(withLink))).isSymbolicLink());
  const { dataDir } = await serveControl(undo);
  await rejection(open(dataDir));
  assert.is((await controlClient(dataDir).getDaemon({})).version, "9.8.7");
});

test("says how to start a daemon where none is running", async (undo) => {
  const dataDir = await temporaryDir(undo);
  const error = apiErrorOf(await rejection(controlClient(dataDir).listJobs({})));
  assert.instance(error, NoDaemon);
  assert.is(error?.message, `no daemon is running at ${dataDir}: start one with \`berth serve\``);
});
