import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configOf } from "../../core/daemon/config.ts";
import { RouteTable } from "../../core/http/route-table.ts";
import { JobManager } from "../../core/jobs/job-manager.ts";
import type { Job } from "../../core/kernel/job.ts";
import { json } from "../../core/kernel/reply.ts";
import { route } from "../../core/kernel/route.ts";
import { Scope, token } from "../../core/kernel/scope.ts";
import type { Undo } from "../../core/support/undo.ts";
import { call } from "../support/engine-api.ts";
import { facts } from "../support/facts.ts";
import { assert, rejection, test } from "../support/test.ts";

/** What the jobs of one test do when they open and close. */
interface Behaviour {
  readonly open?: (job: Job) => Promise<void> | void;
  readonly close?: (job: Job) => Promise<void> | void;
}

const Who = token<{ who(): ReturnType<typeof json> }>("test.who");

async function manager(undo: Undo, { open, close }: Behaviour = {}, dataDir = "") {
  if (!dataDir) {
    dataDir = await mkdtemp(join(tmpdir(), "berth-jobs-"));
    undo.add("data directory", () => rm(dataDir, { recursive: true }));
  }
  const scope = Scope.daemon();
  scope.build();
  const jobs = new JobManager({
    facts: facts({ dataDir }),
    scope,
    bindJob: (jobScope, job) =>
      jobScope.bind(Who, {
        make: () => ({
          who: () => json({ job: job.id }),
          open: () => open?.(job),
          close: () => close?.(job),
        }),
      }),
    table: () => new RouteTable([{ plugin: "who", route: route("GET", "/who", Who, "who") }], new Map()),
    limits: configOf({}, "/", {}).http,
    drainMs: 50,
  });
  await jobs.findAbandoned();
  undo.add("jobs", () => jobs.closeAll());
  return { jobs, dataDir };
}

async function recovered(undo: Undo, behaviour: Behaviour = {}) {
  const made = await manager(undo, behaviour);
  await made.jobs.recover();
  return made;
}

const exists = (path: string) => stat(path).then(() => true, () => false);

test("gives each job a socket of its own that answers as that job", async (undo) => {
  const { jobs } = await recovered(undo);
  const open = await Promise.all(["one", "two"].map((id) => jobs.open({ id })));
  const answers = await Promise.all(open.map(({ socketPath }) => call(socketPath, "GET", "/who")));
  assert.equal(answers.map(({ json }) => json), [{ job: "one" }, { job: "two" }]);
});

test("keeps the state private and the socket its owner's", async (undo) => {
  const { jobs } = await recovered(undo);
  const { dir, socketPath } = await jobs.open({ id: "j" });
  assert.is((await stat(join(dir, "state"))).mode & 0o777, 0o700);
  assert.is((await stat(socketPath)).mode & 0o777, 0o600);
});

test("leaves nothing of a closed job, and closing twice is one close", async (undo) => {
  let closes = 0;
  const { jobs, dataDir } = await recovered(undo, { close: () => void closes++ });
  await jobs.open({ id: "j" });
  await Promise.all([jobs.close("j"), jobs.close("j")]);
  assert.is(closes, 1);
  assert.equal(await readdir(join(dataDir, "jobs")), []);
  assert.match((await rejection(jobs.close("j"))).message, /no such job: j/);
});

test("aborts the job's signal before its objects close", async (undo) => {
  let aborted = false;
  const { jobs } = await recovered(undo, { close: ({ signal }) => void (aborted = signal.aborted) });
  await jobs.open({ id: "j" });
  await jobs.close("j");
  assert.ok(aborted);
});

test("waits for the open of a job that is closed while it opens", async (undo) => {
  const order: string[] = [];
  const { jobs } = await recovered(undo, {
    open: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push("opened");
    },
    close: () => void order.push("closed"),
  });
  const opening = jobs.open({ id: "j" });
  await Promise.resolve();
  await jobs.close("j");
  await opening;
  assert.equal(order, ["opened", "closed"]);
});

test("undoes a job whose plugins fail to open, and lets the id be used again", async (undo) => {
  let fail = true;
  const { jobs, dataDir } = await recovered(undo, {
    open: () => {
      if (fail) throw new Error("no network");
    },
  });
  assert.is((await rejection(jobs.open({ id: "j" }))).message, "no network");
  assert.equal(await readdir(join(dataDir, "jobs")), []);
  fail = false;
  await jobs.open({ id: "j" });
});

test("reports what a close could not remove, and the job is gone all the same", async (undo) => {
  const { jobs, dataDir } = await recovered(undo, {
    close: () => {
      throw new Error("bridge is busy");
    },
  });
  await jobs.open({ id: "j" });
  assert.match((await rejection(jobs.close("j"))).message, /test.who: bridge is busy/);
  assert.equal(jobs.list(), []);
  assert.equal(await readdir(join(dataDir, "jobs")), []);
});

test("refuses ids that are no plain name, and ids that are taken", async (undo) => {
  const { jobs } = await recovered(undo);
  for (const id of ["", "..", "a/b", "-a", "A", "a\0", "a".repeat(64)]) {
    assert.match((await rejection(jobs.open({ id }))).message, /invalid job id/, JSON.stringify(id));
  }
  await jobs.open({ id: "j" });
  assert.match((await rejection(jobs.open({ id: "j" }))).message, /job j is open already/);
});

test("closes what a killed daemon left before any job opens", async (undo) => {
  const { jobs: killed, dataDir } = await recovered(undo);
  await killed.open({ id: "left", labels: { a: "b" } });
  const before = join(dataDir, "again");
  await mkdir(join(before, "jobs", "left", "state"), { recursive: true });
  await writeFile(
    join(before, "jobs", "left", "state", "job.json"),
    JSON.stringify({
      format: 1,
      request: { id: "left", labels: { a: "b" } },
      openedAt: new Date().toISOString(),
    }),
  );
  const seen: unknown[] = [];
  const { jobs } = await manager(
    undo,
    { close: ({ id, abandoned, labels }) => void seen.push({ id, abandoned, labels }) },
    before,
  );
  assert.equal(jobs.list().map(({ id }) => id), ["left"]);
  const opening = jobs.open({ id: "left" });
  await jobs.recover();
  await opening;
  assert.equal(seen, [{ id: "left", abandoned: true, labels: { a: "b" } }]);
});

test("closes a job that died before its record was written", async (undo) => {
  const { dataDir } = await recovered(undo);
  const half = join(dataDir, "again");
  await mkdir(join(half, "jobs", "half"), { recursive: true });
  const { jobs } = await manager(undo, {}, half);
  await jobs.recover();
  assert.not(await exists(join(half, "jobs", "half")));
});
