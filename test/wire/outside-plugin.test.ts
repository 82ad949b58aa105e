/** A plugin from outside the tree, plain JavaScript, loaded by its path from the config. */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot } from "../support/berth-command.ts";
import { spawnDaemon, startDaemon } from "../support/daemon.ts";
import { call, must } from "../support/engine-api.ts";
import { assert, eventually, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const modulePath = join(checkoutRoot, "test/fixtures/outside-plugin/notes.js");
const folder = mkdtempSync(join(tmpdir(), "berth-notes-"));
const ledger = join(folder, "ledger");
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const table = (more = "") => `[plugins.notes]\npath = "${modulePath}"\nledger = "${ledger}"\n${more}\n`;
const daemon = wire({ config: table('title = "log book"\nlimit = 2') });

test("serves one more endpoint, with its own settings and state for each job", async (undo) => {
  const one = await daemon.job(undo, { image: null });
  const two = await daemon.job(undo, { image: null });
  await must(204, one.socketPath, "POST", "/notes", { body: { text: "first" } });
  await must(204, one.socketPath, "POST", "/v1.43/notes", { body: { text: "second" } });
  assert.equal((await must(200, one.socketPath, "GET", "/notes")).json, {
    title: "log book",
    notes: ["first", "second"],
  });
  assert.equal((await must(200, two.socketPath, "GET", "/notes")).json.notes, []);
  const third = await must(400, one.socketPath, "POST", "/notes", { body: { text: "third" } });
  assert.is(third.json.message, "the notebook holds 2 notes");
});

test("is torn down with its job", async (undo) => {
  const job = await daemon.job(undo, { image: null });
  await must(204, job.socketPath, "POST", "/notes", { body: { text: "only" } });
  await job.close();
  const entries = (await readFile(ledger, "utf8")).split("\n").filter((line) =>
    line.startsWith(`${job.id} `)
  );
  assert.equal(entries, [`${job.id} opened`, `${job.id} closed with 1 notes`]);
});

test("is listed with its routes", async () => {
  const { plugins } = await (await daemon.daemon()).control.listPlugins({});
  const notes = plugins.find(({ id }) => id === "notes")!;
  assert.is(notes.state, "running");
  assert.equal(notes.routes.map(({ method, path }) => `${method} ${path}`).sort(), [
    "GET /notes",
    "POST /notes",
  ]);
});

test("an unknown setting stops the boot and names its path", async (undo) => {
  const broken = await spawnDaemon(undo, { config: table("colour = 1") });
  await eventually("the daemon to give up", () => !broken.running, 30_000);
  assert.is.not(await broken.stop(), 0);
  assert.match(await broken.log(), "plugins.notes.colour");
});

test("a plugin for another contract stops the boot and says so", async (undo) => {
  const path = join(folder, "future.js");
  await writeFile(path, 'export default { id: "future", contract: 99, summary: "from the future" };\n');
  const broken = await spawnDaemon(undo, { config: `[plugins.future]\npath = "${path}"\n` });
  await eventually("the daemon to give up", () => !broken.running, 30_000);
  assert.match(await broken.log(), /future.*contract|contract.*99/s);
});

test("an optional plugin that fails is spared", async (undo) => {
  const path = join(folder, "broken.mjs");
  await writeFile(path, 'throw new Error("no such luck");\n');
  const config = `[plugins.broken]\npath = "${path}"\noptional = true\n`;
  const spared = await startDaemon(undo, { config, pool: 250 });
  const { plugins } = await spared.control.listPlugins({});
  const broken = plugins.find(({ id }) => id === "broken")!;
  assert.is(broken.state, "failed");
  assert.match(broken.reason, "no such luck");
  const job = await spared.job(undo);
  assert.is((await call(job.socketPath, "GET", "/_ping")).text, "OK");
});

daemon.leavesNothing();
