import type { PluginTable } from "../../core/kernel/loader.ts";
import { planPlugins } from "../../core/kernel/plan.ts";
import type { Plugin } from "../../core/kernel/plugin.ts";
import { token } from "../../core/kernel/scope.ts";
import { assert, test } from "../support/test.ts";

const Engine = token("test.engine");
const Network = token("test.network");

const plugin = (id: string, parts: Partial<Plugin> = {}): Plugin => ({
  id,
  contract: 1,
  summary: id,
  ...parts,
});
const planned = (plugins: Plugin[], settings: Record<string, unknown> = {}) =>
  planPlugins(plugins.map((each) => ({ plugin: each, table: table(each.id, settings) })), []);
const table = (id: string, settings: Record<string, unknown>): PluginTable => ({
  id,
  enabled: true,
  optional: false,
  settings,
});

test("orders each plugin after those it requires and wants", () => {
  const order = planned([
    plugin("area", { requires: [Engine] }),
    plugin("engine", { provides: [Engine], wants: [Network] }),
    plugin("network", { provides: [Network] }),
  ]).map((each) => each.plugin.id);
  assert.equal(order, ["network", "engine", "area"]);
});

test("is content when nobody provides what is only wanted", () => {
  assert.is(planned([plugin("engine", { wants: [Network] })]).length, 1);
});

test("names the plugin whose requirement nobody provides", () => {
  assert.throws(
    () => planned([plugin("area", { requires: [Engine] })]),
    /plugin "area" failed to load: it requires test.engine, and no enabled plugin provides it/,
  );
});

test("names both plugins that provide one token", () => {
  assert.throws(
    () => planned([plugin("one", { provides: [Engine] }), plugin("two", { provides: [Engine] })]),
    /plugin "two" failed to load: test.engine is provided by "one" already/,
  );
});

test("shows the circle of plugins that require each other", () => {
  const one = plugin("one", { provides: [Engine], requires: [Network] });
  const two = plugin("two", { provides: [Network], requires: [Engine] });
  assert.throws(() => planned([one, two]), /in a circle: one → two → one/);
});

test("refuses a plugin made for another contract", () => {
  assert.throws(() => planned([plugin("old", { contract: 7 })]), /made for plugin contract 7, this is 1/);
});

const schema = {
  type: "object",
  additionalProperties: false,
  properties: {
    greeting: { type: "string", default: "hello" },
    limits: {
      type: "object",
      additionalProperties: false,
      properties: { bytes: { type: "integer", default: 5 } },
    },
  },
};

test("fills in defaults at every depth", () => {
  assert.equal(planned([plugin("p", { settings: schema })])[0]?.settings, {
    greeting: "hello",
    limits: { bytes: 5 },
  });
});

test("names the path of an unknown key and the keys known there", () => {
  assert.throws(
    () => planned([plugin("p", { settings: schema })], { limits: { bites: 1 } }),
    /plugin "p" failed to configure: plugins.p.limits.bites: unknown key; known here: bytes/,
  );
});

test("names the path of a value of the wrong type", () => {
  assert.throws(
    () => planned([plugin("p", { settings: schema })], { greeting: 1 }),
    /plugins.p.greeting: must be string/,
  );
});

test("refuses every key of a plugin without settings", () => {
  assert.throws(() => planned([plugin("p")], { x: 1 }), /plugins.p.x: unknown key/);
});
