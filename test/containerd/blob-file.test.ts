import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blobPath, readFileFrom } from "../../plugins/containerd/images/blob-file.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";

async function file(undo: Undo, bytes: Uint8Array): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-blob-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  await writeFile(join(dir, "blob"), bytes);
  return join(dir, "blob");
}

const pattern = (sizeBytes: number) => Uint8Array.from({ length: sizeBytes }, (_, at) => at * 7 % 251);

test("reads a file from its start and from anywhere", async (undo) => {
  const bytes = pattern(2_500_000);
  const path = await file(undo, bytes);
  for (const offset of [0, 1, 1_048_576, 2_499_999, 2_500_000, 3_000_000]) {
    const parts: Uint8Array[] = [];
    for await (const chunk of (await readFileFrom(path, offset, undefined))!) parts.push(chunk);
    assert.ok(Buffer.concat(parts).equals(bytes.subarray(offset)), `from ${offset}`);
  }
});

test("has nothing to read where there is no file", async (undo) => {
  assert.is(await readFileFrom(`${await file(undo, pattern(1))}-not`, 0, undefined), undefined);
});

test("stops when the signal fires, and when nobody reads on", async (undo) => {
  const path = await file(undo, pattern(3_000_000));
  const controller = new AbortController();
  const chunks = (await readFileFrom(path, 0, controller.signal))![Symbol.asyncIterator]();
  await chunks.next();
  controller.abort(new Error("enough"));
  assert.is((await rejection(chunks.next())).message, "enough");
  for await (const _ of (await readFileFrom(path, 0, undefined))!) break;
});

test("makes a path of a digest and of nothing else", () => {
  const hex = "a".repeat(64);
  assert.is(blobPath("/blobs", `sha256:${hex}`), `/blobs/sha256/${hex}`);
  for (const other of ["sha256:../../etc/passwd", `sha512:${hex}`, hex, ""]) {
    assert.is(blobPath("/blobs", other), undefined);
  }
});
