import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { configOf, defaultConfigText, loadConfig } from "../../core/daemon/config.ts";
import type { BuiltInTable } from "../../core/kernel/loader.ts";
import { builtIns as real } from "../../plugins/built-in.ts";
import { assert, rejection, test } from "../support/test.ts";

const builtIns: BuiltInTable = {
  greeter: () =>
    Promise.resolve({
      default: {
        id: "greeter",
        contract: 1,
        summary: "greets",
        settings: {
          type: "object",
          additionalProperties: false,
          properties: {
            greeting: { type: "string", default: "hello", description: "The first word." },
            to: { type: "string", description: "Whom." },
          },
        },
      },
    }),
};

test("enables every built-in plugin, with defaults everywhere, when there is no file", async () => {
  const config = await loadConfig(undefined, builtIns);
  assert.is(config.dataDir, "/var/lib/berth");
  assert.is(config.jobs.drainMs, 2000);
  assert.equal(config.plugins, [
    { id: "greeter", enabled: true, optional: false, path: undefined, settings: {} },
  ]);
});

test("names the file and the path of an unknown key", async (undo) => {
  const dir = await mkdtemp(join(tmpdir(), "berth-config-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  const path = join(dir, "berth.toml");
  await writeFile(path, "[http]\nheaderBites = 1\n");
  assert.match(
    (await rejection(loadConfig(path, builtIns))).message,
    /berth.toml: http.headerBites: unknown key; known here: /,
  );
  await writeFile(path, "dataDir = \n");
  assert.match((await rejection(loadConfig(path, builtIns))).message, /berth.toml: /);
});

test("keeps a plugin's settings apart from the keys that every plugin has", () => {
  const raw = { plugins: { greeter: { greeting: "hi", optional: true }, mine: { path: "./mine.js", a: 1 } } };
  const [greeter, mine] = configOf(raw, "/etc/berth", builtIns).plugins;
  assert.equal([greeter?.optional, greeter?.settings], [true, { greeting: "hi" }]);
  assert.equal([mine?.path, mine?.settings], ["/etc/berth/mine.js", { a: 1 }]);
});

test("lets the command line's data directory win over the file's", () => {
  assert.is(configOf({ dataDir: "/a" }, "/", builtIns, { dataDir: "/b" }).dataDir, "/b");
});

test("refuses a plugin's table that is none", () => {
  assert.throws(
    () => configOf({ plugins: { greeter: 1 } }, "/", builtIns),
    /plugins.greeter: must be a table/,
  );
});

test("prints defaults that are a config file, documented, and mean the defaults", async () => {
  const text = await defaultConfigText(builtIns);
  assert.match(text, /# The first word.\ngreeting = "hello"/);
  assert.match(text, /# Whom.\n# to =/);
  assert.equal(configOf(parse(text), "/", builtIns).http, configOf({}, "/", builtIns).http);
});

test("prints defaults of the plugins that come with Berth which the plugins accept", async () => {
  const config = configOf(parse(await defaultConfigText(real)), "/", real);
  assert.equal(config.plugins.map(({ id }) => id).sort(), Object.keys(real).sort());
});
