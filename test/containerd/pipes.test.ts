import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePipes, openPipeReader, openPipeWriter } from "../../core/support/runtime.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, test } from "../support/test.ts";

async function pipesIn(undo: Undo, count: number): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), "berth-pipes-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  const paths = Array.from({ length: count }, (_, index) => join(dir, `p${index}`));
  await makePipes(paths);
  return paths;
}

function shell(command: string, ...args: string[]) {
  const child = spawn("/bin/sh", ["-c", command, "sh", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  return { child, ended: once(child, "close") };
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 20));

test("a pipe that nobody wrote to yet is not at its end", async (undo) => {
  const [path = ""] = await pipesIn(undo, 1);
  const reader = openPipeReader(path);
  let ended = false;
  let text = "";
  const drained = reader.drain((chunk) => {
    text += Buffer.from(chunk).toString();
  }).then(() => ended = true);
  await tick();
  assert.is(ended, false);
  await shell('printf hello > "$1"', path).ended;
  await drained;
  assert.is(text, "hello");
});

test("a slow sink holds the writer back and loses nothing", async (undo) => {
  const [path = ""] = await pipesIn(undo, 1);
  const reader = openPipeReader(path);
  const writer = shell('head -c 3000000 /dev/zero > "$1"', path);
  let writerEnded = false;
  void writer.ended.then(() => writerEnded = true);
  let total = 0;
  let endedAtFirstChunk = false;
  let inside = 0;
  await reader.drain(async (chunk) => {
    assert.is(++inside, 1, "the sink is never called while it is busy");
    if (total === 0) await tick();
    if (total === 0) endedAtFirstChunk = writerEnded;
    await Promise.resolve();
    total += chunk.length;
    inside--;
  });
  assert.is(endedAtFirstChunk, false);
  assert.is(total, 3_000_000);
});

test("what the sink throws ends the reading with that error", async (undo) => {
  const [one = "", two = ""] = await pipesIn(undo, 2);
  for (
    const [path, sink] of [[one, () => Promise.reject(new Error("full"))], [two, () => {
      throw new Error("full");
    }]] as const
  ) {
    const drained = openPipeReader(path).drain(sink).then(() => "resolved", (error: Error) => error.message);
    await shell('printf x > "$1"', path).ended;
    assert.is(await drained, "full");
  }
});

test("closing a reader ends the reading", async (undo) => {
  const [path = ""] = await pipesIn(undo, 1);
  const reader = openPipeReader(path);
  const drained = reader.drain(() => {});
  reader.close();
  reader.close();
  await drained;
});

test("a writer needs no reader to open, waits while the pipe is full, and its close is the reader's end", async (undo) => {
  const [path = ""] = await pipesIn(undo, 1);
  const writer = openPipeWriter(path);
  const big = Buffer.alloc(4_000_000, "a");
  let sent = false;
  const sending = writer.write(big).then(() => sent = true);
  await tick();
  assert.is(sent, false);
  const { child, ended } = shell('wc -c < "$1"', path);
  const output = once(child.stdout, "data");
  await sending;
  writer.close();
  assert.is(String((await output)[0]).trim(), "4000000");
  await ended;
});

test("closing a writer lets go of a write that nobody reads", async (undo) => {
  const [path = ""] = await pipesIn(undo, 1);
  const writer = openPipeWriter(path);
  const sending = writer.write(Buffer.alloc(4_000_000));
  await tick();
  writer.close();
  await sending;
  await writer.write(Buffer.from("dropped"));
});

test("opening a pipe that is not there is an error", () => {
  assert.throws(() => openPipeReader("/nonexistent/pipe"), /pipe|ENOENT/);
});

test("two hundred and forty open pipes leave the file system answering", async (undo) => {
  const paths = await pipesIn(undo, 240);
  const readers = paths.map((path) => openPipeReader(path));
  let total = 0;
  const drained = readers.map((reader) =>
    reader.drain((chunk) => {
      total += chunk.length;
    })
  );
  const file = `${paths[0]}.txt`;
  await writeFile(file, "still here");
  const texts = await Promise.all(Array.from({ length: 50 }, () => readFile(file, "utf8")));
  assert.is(texts.filter((text) => text === "still here").length, 50);
  await shell('for p in "$@"; do printf abc > "$p"; done', ...paths).ended;
  await Promise.all(drained);
  assert.is(total, 720);
});
