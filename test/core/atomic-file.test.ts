import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJson, writeAtomically } from "../../core/support/atomic-file.ts";
import { assert, rejection, test } from "../support/test.ts";

test("replaces a file whole, private, and leaves no temporary file", async (undo) => {
  const dir = await mkdtemp(join(tmpdir(), "berth-atomic-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  const path = join(dir, "state.json");
  await Promise.all(Array.from({ length: 20 }, (_, each) => writeAtomically(path, JSON.stringify({ each }))));
  assert.type((JSON.parse(await readFile(path, "utf8")) as { each: number }).each, "number");
  assert.is((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await readdir(dir), ["state.json"]);
});

test("reads nothing where there is no file, and names a file that is not JSON", async (undo) => {
  const dir = await mkdtemp(join(tmpdir(), "berth-atomic-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  assert.is(await readJson(join(dir, "none.json")), undefined);
  await writeFile(join(dir, "bad.json"), "{");
  assert.match((await rejection(readJson(join(dir, "bad.json")))).message, /bad.json is not JSON/);
});
