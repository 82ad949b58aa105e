import type { ApiError } from "../../core/support/errors.ts";
import { assert, rejection, test } from "../support/test.ts";
import { TestJob } from "./job.ts";

const all = "stdout=1&stderr=1";

test("frames lines for plain containers and sends a terminal's as they are", async (undo) => {
  const job = await TestJob.open(undo);
  await job.run("plain", ["print", "one\ntwo", "err\n"]);
  await job.run("tty", ["print", "one\ntwo", "err\n"], { Tty: true });
  const plain = await job.bytes(`/containers/plain/logs?${all}`);
  assert.is(plain.length, "one\ntwoerr\n".length + 3 * 8);
  assert.equal([...plain.subarray(0, 8)], [1, 0, 0, 0, 0, 0, 0, 4]);
  assert.is((await job.bytes(`/containers/tty/logs?${all}`)).toString(), "one\ntwoerr\n");
});

test("names what it sends as each version expects", async (undo) => {
  const job = await TestJob.open(undo);
  await job.run("plain", ["print"]);
  const typeOf = async (version: string) =>
    (await job.call("GET", `/containers/plain/logs?${all}`, { version }) as { contentType: string })
      .contentType;
  assert.is(await typeOf("1.41"), "application/vnd.docker.raw-stream");
  assert.is(await typeOf("1.42"), "application/vnd.docker.multiplexed-stream");
});

test("follows until the container ends, from the last lines on", async (undo) => {
  const job = await TestJob.open(undo);
  let finish = () => {};
  job.engine.programs.talk = async ({ print }) => {
    await print("1\n2\n3\n");
    await new Promise<void>((resolve) => finish = resolve);
    await print("4\n");
    return 0;
  };
  await job.create("c1", ["talk"], { Tty: true });
  await job.call("POST", "/containers/c1/start");
  const reply = await job.call("GET", `/containers/c1/logs?${all}&follow=1&tail=2`);
  if (reply.kind !== "stream") throw new Error(reply.kind);
  assert.is(reply.flush, true);
  let text = "";
  for await (const chunk of reply.body) {
    text += Buffer.from(chunk).toString();
    finish();
  }
  assert.is(text, "2\n3\n4\n");
});

test("stops following when the container is removed or the client is gone", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"], { Tty: true });
  await job.call("POST", "/containers/c1/start");
  const gone = new AbortController();
  const leaving = job.bytes(`/containers/c1/logs?${all}&follow=1`, { signal: gone.signal });
  gone.abort();
  assert.is((await leaving).toString(), "ready\n");
  const staying = job.bytes(`/containers/c1/logs?${all}&follow=1`);
  await job.call("DELETE", "/containers/c1?force=1");
  assert.is((await staying).toString(), "ready\n");
});

test("does not wait for a container that does not run", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"]);
  assert.is((await job.bytes(`/containers/c1/logs?${all}&follow=1`)).length, 0);
});

test("ends following when the time asked for is over", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"], { Tty: true });
  await job.call("POST", "/containers/c1/start");
  const until = (Date.now() / 1000 + 0.2).toFixed(9);
  assert.is((await job.bytes(`/containers/c1/logs?${all}&follow=1&until=${until}`)).toString(), "ready\n");
});

test("reads tail, since and streams as Docker does, and refuses what makes no sense", async (undo) => {
  const job = await TestJob.open(undo);
  await job.run("c1", ["print", "a\nb\n", "c\n"], { Tty: true });
  const text = async (query: string) => (await job.bytes(`/containers/c1/logs?stdout=1&${query}`)).toString();
  assert.is(await text("tail=1"), "c\n");
  assert.is(await text("tail=all"), "a\nb\nc\n");
  assert.is(await text("tail=-5"), "a\nb\nc\n");
  assert.is(await text("since=0"), "a\nb\nc\n");
  assert.is(await text("since=4000000000.5"), "");
  assert.match(await text("timestamps=1&tail=1"), /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z c\n$/);
  for (const query of ["", "stdout=1&since=x"]) {
    assert.is((await rejection(job.call("GET", `/containers/c1/logs?${query}`)) as ApiError).status, 400);
  }
  assert.is((await rejection(job.call("GET", "/containers/nope/logs?stdout=1")) as ApiError).status, 404);
});
