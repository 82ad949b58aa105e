import type { ApiError } from "../../core/support/errors.ts";
import { humanDuration } from "../../plugins/containers/shapes/duration.ts";
import { assert, rejection, test } from "../support/test.ts";
import { fakeImage } from "./fake-engine.ts";
import { TestJob } from "./job.ts";

type Row = { Id: string; Names: string[]; Image: string; Command: string; State: string; Status: string };

async function names(job: TestJob, query: string, filters?: object): Promise<string[]> {
  const text = filters ? `&filters=${encodeURIComponent(JSON.stringify(filters))}` : "";
  const rows = await job.json<Row[]>("GET", `/containers/json?${query}${text}`);
  return rows.map((row) => row.Names[0]!.slice(1));
}

async function threeContainers(job: TestJob): Promise<string[]> {
  const first = await job.run("first", ["print", "", "", "3"], { Labels: { team: "a", empty: "" } });
  const second = await job.create("second", ["stay"], { Labels: { team: "b" } });
  await job.call("POST", "/containers/second/start");
  return [first, second, await job.create("third", ["stay"], { HostConfig: { NetworkMode: "none" } })];
}

test("lists what runs, and everything newest first when asked", async (undo) => {
  const job = await TestJob.open(undo);
  assert.equal(await names(job, ""), []);
  await threeContainers(job);
  assert.equal(await names(job, ""), ["second"]);
  assert.equal(await names(job, "all=1"), ["third", "second", "first"]);
  assert.equal(await names(job, "limit=2"), ["third", "second"]);
});

test("filters as Docker does", async (undo) => {
  const job = await TestJob.open(undo);
  const [first] = await threeContainers(job);
  const cases: [object, string[]][] = [
    [{ name: ["ir"] }, ["third", "first"]],
    [{ name: ["^/first$"] }, ["first"]],
    [{ name: ["^second$", "third"] }, ["third", "second"]],
    [{ id: [first!.slice(0, 12)] }, ["first"]],
    [{ label: ["team"] }, ["second", "first"]],
    [{ label: ["team=a", "empty"] }, ["first"]],
    [{ label: { "team=b": true } }, ["second"]],
    [{ status: ["created", "exited"] }, ["third", "first"]],
    [{ exited: ["3"] }, ["first"]],
    [{ before: ["third"] }, ["second", "first"]],
    [{ since: ["first"] }, ["third", "second"]],
    [{ ancestor: ["busybox"] }, ["third", "second", "first"]],
    [{ ancestor: ["other"] }, []],
    [{ network: ["none"] }, ["third"]],
  ];
  for (const [filters, expected] of cases) {
    assert.equal(await names(job, "all=1", filters), expected, JSON.stringify(filters));
  }
  assert.equal(await names(job, "", { status: ["exited"] }), ["first"]);
});

test("refuses filters that Docker refuses, in its words", async (undo) => {
  const job = await TestJob.open(undo);
  const cases: [object, number, string][] = [
    [{ foo: ["x"] }, 400, "invalid filter 'foo'"],
    [{ status: ["foo"] }, 400, "invalid value for state (foo): must be one of created, running"],
    [{ health: ["foo"] }, 400, "invalid value for health (foo): must be one of none, starting"],
    [{ "is-task": ["foo"] }, 400, "invalid filter 'is-task=[foo]'"],
    [{ publish: ["foo"] }, 400, "error while looking up for publish foo"],
    [{ exited: ["foo"] }, 400, "invalid filter 'exited=foo'"],
    [{ before: ["foo"] }, 404, "No such container: foo"],
  ];
  for (const [filters, status, words] of cases) {
    const error = await rejection(names(job, "all=1", filters)) as ApiError;
    assert.is(error.status, status);
    assert.match(error.message, words);
  }
});

test("answers filters about what no container has, and about exposed ports", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("web", ["stay"], { ExposedPorts: { "80": {}, "53/udp": {} } });
  await job.create("other", ["stay"]);
  assert.equal(await names(job, "all=1", { expose: ["80-90/tcp"] }), ["web"]);
  assert.equal(await names(job, "all=1", { expose: ["53"] }), []);
  assert.equal((await names(job, "all=1", { health: ["none"] })).length, 2);
  assert.equal((await names(job, "all=1", { "is-task": ["false"] })).length, 2);
  const none = [{ health: ["healthy"] }, { "is-task": ["1"] }, { volume: ["x"] }, { publish: ["80"] }];
  for (const filters of none) assert.equal(await names(job, "all=1", filters), []);
});

test("does not let a hostile name filter hold up the daemon", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("a".repeat(256), ["stay"]);
  const start = performance.now();
  await names(job, "all=1", { name: ["(a+)+$b", "a*a*a*a*a*a*a*b", "(", `${"(a|a)".repeat(40)}b`] });
  const many = names(job, "all=1", { name: Array.from({ length: 1000 }, () => "a*a*b") });
  assert.match((await rejection(many) as ApiError).message, "take too long to match");
  assert.ok(performance.now() - start < 1000);
  const more = names(job, "all=1", { id: Array.from({ length: 1001 }, String) });
  assert.match((await rejection(more) as ApiError).message, "more than 1000 values");
});

test("shows command, state and a status people can read", async (undo) => {
  const job = await TestJob.open(undo);
  await job.run("c1", ["print", "two words", "", "3"], {
    Entrypoint: ["print"],
    Cmd: ["two words", "", "3"],
  });
  const [row] = await job.json<Row[]>("GET", "/containers/json?all=1");
  assert.is(row!.Command, "print 'two words'  3");
  assert.is(row!.State, "exited");
  assert.match(row!.Status, /^Exited \(3\) Less than a second ago$/);
});

test("shows an image's ID once its name is another image's", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  const image = async () => (await job.json<Row[]>("GET", "/containers/json?all=1"))[0]!.Image;
  assert.is(await image(), "busybox");
  job.images.byName.set("busybox", fakeImage({}, "b"));
  assert.is(await image(), fakeImage().id);
  job.images.byName.clear();
  assert.is(await image(), fakeImage().id);
});

test("adds sizes when asked", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  const [row] = await job.json<Record<string, unknown>[]>("GET", "/containers/json?all=1&size=1");
  assert.is(row!.SizeRootFs, 1000);
  const inspected = await job.json("GET", "/containers/c1/json?size=1");
  assert.equal([inspected.SizeRw, inspected.SizeRootFs], [0, 1000]);
});

test("says durations as docker ps does", () => {
  const second = 1000, hour = 3600 * second, day = 24 * hour;
  const cases: [number, string][] = [
    [0, "Less than a second"],
    [1.5 * second, "1 second"],
    [59 * second, "59 seconds"],
    [90 * second, "About a minute"],
    [59 * 60 * second, "59 minutes"],
    [hour, "About an hour"],
    [47 * hour, "47 hours"],
    [3 * day, "3 days"],
    [15 * day, "2 weeks"],
    [90 * day, "3 months"],
    [800 * day, "2 years"],
  ];
  for (const [ms, words] of cases) assert.is(humanDuration(ms), words);
});
