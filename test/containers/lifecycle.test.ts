import { assert, eventually, rejection, test } from "../support/test.ts";
import type { ApiError } from "../../core/support/errors.ts";
import { temporaryDir, TestJob } from "./job.ts";

type Inspect = { Id: string; Name: string; State: Record<string, unknown> };

const stateOf = async (job: TestJob, name: string) =>
  (await job.json<Inspect>("GET", `/containers/${name}/json`)).State;

test("gives a wait that comes before the start the real exit code, from 0 to 255", async (undo) => {
  const job = await TestJob.open(undo);
  for (let code = 0; code <= 255; code++) {
    const id = await job.create("", ["print", "", "", String(code)]);
    const wait = job.json<{ StatusCode: number }>("POST", `/containers/${id}/wait?condition=next-exit`);
    await job.call("POST", `/containers/${id}/start`);
    assert.is((await wait).StatusCode, code);
  }
});

test("answers a wait for removal with the exit code once the container is gone", async (undo) => {
  const job = await TestJob.open(undo);
  const id = await job.create("gone", ["print", "", "", "7"], { HostConfig: { AutoRemove: true } });
  const wait = job.json("POST", `/containers/${id}/wait?condition=removed`);
  await job.call("POST", `/containers/gone/start`);
  assert.equal(await wait, { StatusCode: 7 });
  assert.match(
    (await rejection(job.call("GET", `/containers/${id}/json`))).message,
    `No such container: ${id}`,
  );
  await job.create("gone", ["stay"]);
});

test("answers a removal before the engine is done with it", async (undo) => {
  const job = await TestJob.open(undo);
  let open = () => {};
  job.engine.removeGate = new Promise((resolve) => open = resolve);
  const id = await job.run("slow", ["print"]);
  assert.is((await job.call("DELETE", "/containers/slow") as { status: number }).status, 204);
  assert.equal(job.engine.ids, [id]);
  const closed = job.close();
  open();
  await closed;
  assert.equal(job.engine.ids, []);
});

test("answers 304 to a start of what runs and a stop of what does not", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  assert.is((await rejection(job.call("POST", "/containers/c1/stop")) as ApiError).status, 304);
  await job.call("POST", "/containers/c1/start");
  assert.is((await rejection(job.call("POST", "/containers/c1/start")) as ApiError).status, 304);
  await job.call("POST", "/containers/c1/stop");
  assert.is((await stateOf(job, "c1")).ExitCode, 143);
});

test("kills what does not stop in time", async (undo) => {
  const job = await TestJob.open(undo);
  job.engine.programs.stubborn = (process) => {
    process.onSignal = () => {};
    return process.forever;
  };
  await job.create("c1", ["stubborn"]);
  await job.call("POST", "/containers/c1/start");
  await job.call("POST", "/containers/c1/stop?t=0");
  assert.is((await stateOf(job, "c1")).ExitCode, 137);
});

test("sends the signal the container wants for a stop, and any by name or number", async (undo) => {
  const job = await TestJob.open(undo);
  const seen: number[] = [];
  job.engine.programs.listen = (process) =>
    new Promise((resolve) => {
      process.onSignal = (signal) => {
        seen.push(signal);
        if (signal === 2) resolve(9);
      };
    });
  await job.create("c1", ["listen"], { StopSignal: "SIGINT" });
  await job.call("POST", "/containers/c1/start");
  for (const signal of ["HUP", "sigusr1", "12", "RTMIN+2"]) {
    await job.call("POST", `/containers/c1/kill?signal=${encodeURIComponent(signal)}`);
  }
  for (const bad of ["FOO", "0", "99"]) {
    assert.is(
      (await rejection(job.call("POST", `/containers/c1/kill?signal=${bad}`)) as ApiError).status,
      400,
    );
  }
  await job.call("POST", "/containers/c1/stop");
  assert.equal(seen, [1, 10, 12, 36, 2]);
  const error = await rejection(job.call("POST", "/containers/c1/kill")) as ApiError;
  assert.is(error.status, 409);
  assert.match(error.message, "is not running");
});

test("removes what runs only by force, and once", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  await job.call("POST", "/containers/c1/start");
  const error = await rejection(job.call("DELETE", "/containers/c1")) as ApiError;
  assert.is(error.status, 409);
  assert.is(
    error.message,
    'cannot remove container "c1": container is running: stop the container before removing or force remove',
  );
  const both = await Promise.allSettled([
    job.call("DELETE", "/containers/c1?force=1"),
    job.call("DELETE", "/containers/c1?force=1"),
  ]);
  assert.equal(both.map(({ status }) => status), ["fulfilled", "rejected"]);
  assert.match((both[1] as PromiseRejectedResult).reason.message, "is already in progress");
  assert.is((await rejection(job.call("DELETE", "/containers/c1")) as ApiError).status, 404);
});

test("records why a start failed, with Docker's exit code", async (undo) => {
  const job = await TestJob.open(undo);
  for (const [command, code] of [["nothing", 127], ["/forbidden", 126]] as const) {
    await job.create(`x${code}`, [command]);
    const error = await rejection(job.call("POST", `/containers/x${code}/start`)) as ApiError;
    assert.is(error.status, 400);
    const state = await stateOf(job, `x${code}`);
    assert.is(state.ExitCode, code);
    assert.is(state.Status, "created");
    assert.is(state.Error, error.message);
  }
});

test("removes a container that was to remove itself when its start fails", async (undo) => {
  const job = await TestJob.open(undo);
  const id = await job.create("c1", ["nothing"], { HostConfig: { AutoRemove: true } });
  const wait = job.json("POST", `/containers/${id}/wait?condition=removed`);
  await rejection(job.call("POST", "/containers/c1/start"));
  assert.equal(await wait, { StatusCode: 127 });
});

test("finds a container by name, slash and name, ID and prefix", async (undo) => {
  const job = await TestJob.open(undo);
  const id = await job.create("found", ["stay"]);
  for (const text of ["found", "%2Ffound", id, id.slice(0, 12), id.slice(0, 1)]) {
    assert.is((await job.json<Inspect>("GET", `/containers/${text}/json`)).Id, id);
  }
  // IDs are random: as many as it takes until two begin alike.
  while (!(await job.create("", ["stay"])).startsWith(id.slice(0, 1)));
  const error = await rejection(job.call("GET", `/containers/${id.slice(0, 1)}/json`)) as ApiError;
  assert.match(error.message, /multiple IDs found|No such/);
});

test("keeps two jobs' containers apart", async (undo) => {
  const [one, other] = [await TestJob.open(undo), await TestJob.open(undo)];
  const id = await one.create("same", ["stay"]);
  await other.create("same", ["stay"]);
  assert.is((await rejection(other.call("GET", `/containers/${id}/json`)) as ApiError).status, 404);
  await one.call("DELETE", "/containers/same");
  assert.is((await stateOf(other, "same")).Status, "created");
});

test("closes while a container starts", async (undo) => {
  const job = await TestJob.open(undo);
  let go = () => {};
  job.engine.startGate = new Promise((resolve) => go = resolve);
  await job.create("c1", ["stay"]);
  const starting = job.call("POST", "/containers/c1/start");
  const waiting = rejection(job.json("POST", "/containers/c1/wait?condition=next-exit"));
  await eventually("the engine to be asked", () => job.engine.calls.some((call) => call.startsWith("start")));
  const closing = job.close();
  go();
  await starting.catch(() => {});
  await closing;
  await waiting;
});

test("lets go of a wait whose client is gone", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  const gone = new AbortController();
  const wait = rejection(job.json("POST", "/containers/c1/wait?condition=removed", { signal: gone.signal }));
  gone.abort(new DOMException("gone", "AbortError"));
  assert.is((await wait).name, "AbortError");
});

test("starts a container again, and restarts one that runs", async (undo) => {
  const job = await TestJob.open(undo);
  await job.run("c1", ["print", "x", "", "3"]);
  await job.call("POST", "/containers/c1/start");
  await job.create("d1", ["stay"]);
  await job.call("POST", "/containers/d1/restart");
  await job.call("POST", "/containers/d1/restart?t=0");
  assert.is((await stateOf(job, "d1")).Status, "running");
});

test("resizes what runs", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"], { Tty: true });
  assert.is((await rejection(job.call("POST", "/containers/c1/resize?h=1&w=2")) as ApiError).status, 409);
  await job.call("POST", "/containers/c1/start");
  assert.is((await job.call("POST", "/containers/c1/resize?h=10&w=20") as { status: number }).status, 200);
  const error = await rejection(job.call("POST", "/containers/c1/resize?h=a&w=20"));
  assert.is(error.message, 'invalid resize height "a": invalid syntax');
});

test("loads its containers from disk when a job is found again", async (undo) => {
  const dir = await temporaryDir(undo);
  const job = await TestJob.open(undo, dir);
  const id = await job.run("c1", ["print", "said\n", "", "5"]);
  await job.create("d1", ["stay"]);
  await job.call("POST", "/containers/d1/start");
  await job.close();
  const again = await TestJob.open(undo, dir, true);
  assert.is((await stateOf(again, id)).ExitCode, 5);
  assert.is((await stateOf(again, "d1")).Status, "exited");
  assert.match((await again.bytes(`/containers/${id}/logs?stdout=1`)).toString("latin1"), "said\n");
});
