import { appendFile, readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { StdcopyParser } from "../../core/support/stdcopy.ts";
import type { Undo } from "../../core/support/undo.ts";
import type { OutputStream } from "../../plugins/containers/backend.ts";
import { ContainerLog } from "../../plugins/containers/log/container-log.ts";
import { followLog } from "../../plugins/containers/log/follow.ts";
import { findEnd, readLog } from "../../plugins/containers/log/read.ts";
import { renderChunks, renderLines } from "../../plugins/containers/log/render.ts";
import { findTail } from "../../plugins/containers/log/tail.ts";
import { assert, test } from "../support/test.ts";
import { temporaryDir } from "./job.ts";

const both = new Set<OutputStream>(["stdout", "stderr"]);
const raw = { streams: both, framed: false };
const plain = { ...raw, timestamps: false, details: false };

async function openLog(undo: Undo, end = 0, path?: string): Promise<ContainerLog> {
  const log = new ContainerLog(path ?? join(await temporaryDir(undo), "log"), end, (error) => {
    throw error;
  });
  undo.add("log", () => log.close());
  log.begin();
  return log;
}

async function textOf(log: ContainerLog, from = 0): Promise<string> {
  const parts: Buffer[] = [];
  for await (const segment of readLog(log, from, log.end)) parts.push(renderChunks(segment, raw));
  return Buffer.concat(parts).toString("latin1");
}

async function tailText(log: ContainerLog, lines: number, streams = both): Promise<string> {
  const cuts = await findTail(log, log.end, lines, streams);
  const from = Math.min(cuts.stdout.position, cuts.stderr.position);
  const parts: Buffer[] = [];
  for await (const segment of readLog(log, from, log.end)) {
    parts.push(renderLines(segment, { ...plain, streams, cuts }).bytes);
  }
  return Buffer.concat(parts).toString("latin1");
}

test("gives back what was put in, in order, whatever the pieces", async (undo) => {
  const log = await openLog(undo);
  let expected = "";
  for (let index = 0; index < 5000; index++) {
    const text = `${"x".repeat(index % 97)}${index}\n`;
    expected += text;
    await log.append(index % 3 ? "stdout" : "stderr", Buffer.from(text));
  }
  const large = "y".repeat(1_000_000);
  await log.append("stdout", Buffer.from(large));
  assert.ok(await textOf(log) === expected + large);
});

test("finds the last lines of each stream, across records and unfinished lines", async (undo) => {
  const log = await openLog(undo);
  const put = (stream: OutputStream, text: string) => log.append(stream, Buffer.from(text));
  await put("stdout", "one\ntwo\nthr");
  await put("stderr", "err1\nerr2\n");
  await put("stdout", "ee\nfour\n");
  await put("stdout", "fi");
  await put("stdout", "ve");
  assert.is(await tailText(log, 1), "five");
  assert.is(await tailText(log, 2), "four\nfive");
  assert.is(await tailText(log, 3), "three\nfour\nfive");
  assert.is(await tailText(log, 4), "threrr2\nee\nfour\nfive");
  assert.is(await tailText(log, 6), "two\nthrerr1\nerr2\nee\nfour\nfive");
  assert.is(await tailText(log, 100), "one\ntwo\nthrerr1\nerr2\nee\nfour\nfive");
  assert.is(await tailText(log, 0), "");
  assert.is(await tailText(log, 1, new Set(["stderr"])), "err2\n");
});

test("finds the last ten lines at once in a long log", async (undo) => {
  const log = await openLog(undo);
  const chunk = Buffer.from("a line of some length, as logs have them\n".repeat(1500));
  for (let index = 0; index < 800; index++) await log.append("stdout", chunk);
  await log.append("stdout", Buffer.from("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"));
  await log.flush();
  const start = performance.now();
  assert.is(await tailText(log, 10), "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
  assert.ok(performance.now() - start < 500, "a tail must not read the whole log");
});

test("puts each line into a frame, with its time once", async (undo) => {
  const log = await openLog(undo);
  await log.append("stdout", Buffer.from("one\ntw"));
  await log.append("stdout", Buffer.from("o\n"));
  const parser = new StdcopyParser();
  const frames: string[] = [];
  for await (const segment of readLog(log, 0, log.end)) {
    const { bytes } = renderLines(segment, { ...plain, framed: true, timestamps: true, details: true });
    for (const { payload } of parser.push(bytes)) frames.push(Buffer.from(payload).toString());
  }
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z {2}/;
  assert.is(frames.length, 3);
  assert.match(frames[0]!, time);
  assert.is(frames[0]!.replace(time, ""), "one\n");
  assert.is(frames[1]!.replace(time, ""), "tw");
  assert.is(frames[2], "o\n");
});

test("shows only what lies between two times", async (undo) => {
  const log = await openLog(undo);
  await log.append("stdout", Buffer.from("now\n"));
  const past = { seconds: 1000, nanoseconds: 0 };
  const future = { seconds: 4_000_000_000, nanoseconds: 0 };
  await log.flush();
  for await (const segment of readLog(log, 0, log.end)) {
    assert.is(renderLines(segment, { ...plain, since: past, until: future }).bytes.toString(), "now\n");
    assert.is(renderLines(segment, { ...plain, since: future }).bytes.length, 0);
    assert.is(renderLines(segment, { ...plain, until: past }).ended, true);
  }
});

test("follows what is written while it reads, slowly or not, until the run ends", async (undo) => {
  const log = await openLog(undo);
  const never = new AbortController().signal;
  const read = async (pauseEvery: number) => {
    const parts: Buffer[] = [];
    for await (const segment of followLog(log, 0, 1, never)) {
      parts.push(Buffer.from(renderChunks(segment, raw)));
      if (parts.length % pauseEvery === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    return Buffer.concat(parts).toString("latin1");
  };
  const readers = [read(1), read(2), read(1000)];
  let expected = "";
  for (let index = 0; index < 400; index++) {
    const text = `${index} ${"z".repeat(20_000)}\n`;
    expected += text;
    await log.append("stdout", Buffer.from(text));
    if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  log.finish();
  for (const text of await Promise.all(readers)) assert.ok(text === expected);
});

test("keeps a removed log's file until its readers are done", async (undo) => {
  const log = await openLog(undo);
  const chunk = Buffer.alloc(200_000, "k");
  for (let index = 0; index < 50; index++) await log.append("stdout", chunk);
  await log.flush();
  const follower = followLog(log, 0, 1, new AbortController().signal);
  let total = (await follower.next()).value!.bytes.length;
  log.finish();
  const retired = log.retire();
  for await (const segment of follower) total += segment.bytes.length;
  await retired;
  assert.is(total, log.end);
  assert.is(await stat(log.path).catch(() => undefined), undefined);
});

test("writes nothing for a container that is removed before the disk was asked", async (undo) => {
  const log = await openLog(undo);
  await log.append("stdout", Buffer.from("short\n"));
  await log.retire();
  assert.is(await stat(log.path).catch(() => undefined), undefined);
});

test("goes on after the last whole record of a file that was torn", async (undo) => {
  const log = await openLog(undo);
  await log.append("stdout", Buffer.from("whole\n"));
  const whole = log.end;
  await log.append("stdout", Buffer.from("torn away\n"));
  await log.close();
  await truncate(log.path, log.end - 5);
  assert.is(await findEnd(log.path), whole);
  const again = await openLog(undo, whole, log.path);
  await again.append("stdout", Buffer.from("new\n"));
  assert.is(await textOf(again), "whole\nnew\n");
  await appendFile(log.path, "rubbish");
  assert.is(await findEnd(log.path), again.end);
  assert.is(await findEnd(`${log.path}.none`), 0);
});

test("drops output, and says so once, when the disk refuses", async (undo) => {
  const errors: unknown[] = [];
  const log = new ContainerLog(
    join(await temporaryDir(undo), "no", "such", "log"),
    0,
    (error) => errors.push(error),
  );
  log.begin();
  await log.append("stdout", Buffer.from("x"));
  await log.flush();
  await log.append("stdout", Buffer.from("y"));
  await log.close();
  assert.is(errors.length, 1);
});

test("prints how fast it writes, reads and renders", async (undo) => {
  const log = await openLog(undo);
  const chunk = Buffer.from(
    "a line of some length, as logs have them: sixty-four bytes or so\n".repeat(1000),
  );
  const total = 100 * 1024 * 1024;
  const rate = (start: number) => Math.round(total / 1e6 / ((performance.now() - start) / 1000));
  let start = performance.now();
  for (let written = 0; written < total; written += chunk.length) await log.append("stdout", chunk);
  await log.flush();
  const write = rate(start);
  start = performance.now();
  for await (const segment of readLog(log, 0, log.end)) renderChunks(segment, { ...raw, framed: true });
  const chunks = rate(start);
  start = performance.now();
  for await (const segment of readLog(log, 0, log.end)) renderLines(segment, { ...plain, framed: true });
  const lines = rate(start);
  start = performance.now();
  for await (const segment of readLog(log, 0, log.end)) {
    renderLines(segment, { ...plain, framed: true, timestamps: true });
  }
  console.log(`log MB/s: write ${write}, chunks ${chunks}, lines ${lines}, lines with times ${rate(start)}`);
  assert.ok((await readFile(log.path)).length === log.end);
});
