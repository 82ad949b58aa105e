import type { ApiError } from "../../core/support/errors.ts";
import { StdcopyParser } from "../../core/support/stdcopy.ts";
import { DetachKeys, parseDetachKeys } from "../../plugins/containers/model/detach-keys.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { type Client, TestJob } from "./job.ts";

const interactive = { AttachStdin: true, OpenStdin: true, StdinOnce: true };
const everything = "stream=1&stdin=1&stdout=1&stderr=1";

/** What a client got, its frames taken apart. */
function framesOf(client: Client): { stdout: string; stderr: string } {
  const text = { stdout: "", stderr: "" };
  for (const { stream, payload } of new StdcopyParser().push(Buffer.concat(client.received))) {
    text[stream] += Buffer.from(payload).toString();
  }
  return text;
}

test("sends all output to a client that attached before the start, and ends with the container", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["print", "to out", "to err"]);
  const client = await job.attach(`/containers/c1/attach?stream=1&stdout=1&stderr=1`);
  assert.is(client.contentType, "application/vnd.docker.multiplexed-stream");
  await job.call("POST", "/containers/c1/start");
  await client.ended;
  assert.equal(framesOf(client), { stdout: "to out", stderr: "to err" });
});

test("names the stream raw for terminals, older versions and requests without an upgrade", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("tty", ["stay"], { Tty: true });
  await job.create("plain", ["stay"]);
  const raw = "application/vnd.docker.raw-stream";
  const typeOf = async (name: string, sent: object) =>
    (await job.call("POST", `/containers/${name}/attach?stream=1&stdout=1`, sent) as { contentType: string })
      .contentType;
  assert.is(await typeOf("tty", { headers: { upgrade: "tcp" } }), raw);
  assert.is(await typeOf("plain", { headers: { upgrade: "tcp" }, version: "1.41" }), raw);
  assert.is(await typeOf("plain", {}), raw);
});

test("removes a container that removes itself without losing output to a slow client", async (undo) => {
  const job = await TestJob.open(undo);
  const size = 6_000_000;
  job.engine.programs.flood = async ({ print }) => {
    for (let sent = 0; sent < size; sent += 60_000) await print("f".repeat(60_000));
    return 0;
  };
  await job.create("c1", ["flood"], { HostConfig: { AutoRemove: true } });
  const client = await job.attach("/containers/c1/attach?stream=1&stdout=1");
  let open = () => {};
  client.gate = new Promise((resolve) => open = resolve);
  const removed = job.json("POST", "/containers/c1/wait?condition=removed");
  await job.call("POST", "/containers/c1/start");
  assert.equal(await removed, { StatusCode: 0 });
  open();
  await client.ended;
  assert.is(framesOf(client).stdout.length, size);
});

test("carries input that came before the start, and its end", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["copy"], interactive);
  const client = await job.attach(`/containers/c1/attach?${everything}`);
  void client.input.write(Buffer.from("early "));
  void client.input.write(Buffer.from("bird"));
  client.input.end();
  await job.call("POST", "/containers/c1/start");
  await client.ended;
  assert.is(framesOf(client).stdout, "early bird");
});

test("leaves standard input open for the next client when it is not for one only", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["copy"], { OpenStdin: true });
  await job.call("POST", "/containers/c1/start");
  const watcher = await job.attach("/containers/c1/attach?stream=1&stdout=1");
  for (const word of ["one ", "two"]) {
    const client = await job.attach("/containers/c1/attach?stream=1&stdin=1");
    await client.input.write(Buffer.from(word));
    client.input.end();
    await client.ended;
  }
  await eventually("both words", () => framesOf(watcher).stdout === "one two");
  assert.is(
    (await job.json<{ State: { Running: boolean } }>("GET", "/containers/c1/json")).State.Running,
    true,
  );
});

test("closes standard input when its only client is gone", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["copy"], interactive);
  const wait = job.json("POST", "/containers/c1/wait?condition=next-exit");
  const client = await job.attach(`/containers/c1/attach?${everything}`);
  await job.call("POST", "/containers/c1/start");
  client.vanish();
  await client.ended;
  assert.equal(await wait, { StatusCode: 0 });
});

test("lets a terminal go at the detach keys and keeps the container", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["copy"], { ...interactive, Tty: true });
  await job.call("POST", "/containers/c1/start");
  const client = await job.attach(`/containers/c1/attach?${everything}`);
  await client.input.write(Buffer.from("typed"));
  await eventually("the echo", () => client.text === "typed");
  await client.input.write(Buffer.from([16]));
  await client.input.write(Buffer.from([17]));
  await client.ended;
  const own = await job.attach(`/containers/c1/attach?${everything}&detachKeys=ctrl-x,q`);
  await own.input.write(Buffer.from([24, 113]));
  await own.ended;
  const state = await job.json<{ State: { Running: boolean } }>("GET", "/containers/c1/json");
  assert.is(state.State.Running, true);
});

test("finds detach keys in pieces and passes on what only looked like them", () => {
  const keys = new DetachKeys(parseDetachKeys("ctrl-p,ctrl-q"));
  assert.equal([...keys.feed(Buffer.from([1, 16])).pass], [1]);
  assert.equal([...keys.feed(Buffer.from([2])).pass], [16, 2]);
  assert.equal([...keys.feed(Buffer.from([16, 16])).pass], [16]);
  assert.is(keys.feed(Buffer.from([17])).detached, true);
  assert.equal(parseDetachKeys("a,DEL,ctrl-@"), [97, 127, 0]);
  assert.throws(() => parseDetachKeys("foo"), "Invalid detach keys (foo) provided");
});

test("shows the past first when asked, each byte once", async (undo) => {
  const job = await TestJob.open(undo);
  let finish = () => {};
  job.engine.programs.twice = async ({ print }) => {
    await print("before ");
    await new Promise<void>((resolve) => finish = resolve);
    await print("after");
    return 0;
  };
  await job.create("c1", ["twice"]);
  await job.call("POST", "/containers/c1/start");
  const past = await job.attach("/containers/c1/attach?logs=1&stdout=1");
  await past.ended;
  assert.is(framesOf(past).stdout, "before ");
  const whole = await job.attach("/containers/c1/attach?logs=1&stream=1&stdout=1");
  const live = await job.attach("/containers/c1/attach?stream=1&stdout=1");
  finish();
  await Promise.all([whole.ended, live.ended]);
  assert.is(framesOf(whole).stdout, "before after");
  assert.is(framesOf(live).stdout, "after");
});

test("serves many clients, and none of them holds up the container", async (undo) => {
  const job = await TestJob.open(undo);
  job.engine.programs.flood = async ({ print }) => {
    for (let index = 0; index < 200; index++) await print(`${index} ${"w".repeat(30_000)}\n`);
    return 0;
  };
  await job.create("c1", ["flood"]);
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => job.attach("/containers/c1/attach?stream=1&stdout=1")),
  );
  let open = () => {};
  clients[0]!.gate = new Promise((resolve) => open = resolve);
  clients[1]!.vanish();
  const wait = job.json("POST", "/containers/c1/wait?condition=next-exit");
  await job.call("POST", "/containers/c1/start");
  assert.equal(await wait, { StatusCode: 0 });
  open();
  await Promise.all(clients.map(({ ended }) => ended));
  const texts = clients.map((client) => framesOf(client).stdout);
  assert.ok(texts[0]!.startsWith("0 w") && texts[0]!.endsWith("w\n"));
  assert.ok(texts.slice(2).every((text) => text === texts[0]));
  assert.is(texts[1], "");
});

test("ends clients when a start fails, when the container is removed, and when the job closes", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("bad", ["nothing"]);
  const failed = await job.attach("/containers/bad/attach?stream=1&stdout=1");
  await rejection(job.call("POST", "/containers/bad/start"));
  await failed.ended;
  const removed = await job.attach(`/containers/bad/attach?${everything}`);
  await job.call("DELETE", "/containers/bad");
  await removed.ended;
  await job.create("c1", ["stay"], interactive);
  await job.call("POST", "/containers/c1/start");
  const closed = await job.attach(`/containers/c1/attach?${everything}`);
  await job.close();
  await closed.ended;
});

test("answers 404 and 400 before it takes the connection", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  assert.is((await rejection(job.call("POST", "/containers/none/attach?stream=1")) as ApiError).status, 404);
  const error = await rejection(job.call("POST", "/containers/c1/attach?detachKeys=foo")) as ApiError;
  assert.is(error.status, 400);
});
