import type { Plugin } from "../../core/kernel/plugin.ts";
import { PluginHost } from "../../core/kernel/plugin-host.ts";
import { planPlugins } from "../../core/kernel/plan.ts";
import { Scope, token } from "../../core/kernel/scope.ts";
import { facts } from "../support/facts.ts";
import { assert, rejection, test } from "../support/test.ts";

const Engine = token<object>("test.host.engine");

const plugin = (id: string, parts: Partial<Plugin> = {}): Plugin => ({
  id,
  contract: 1,
  summary: id,
  ...parts,
});

async function run(plugins: Plugin[], optional: string[] = []) {
  const host = new PluginHost(facts());
  const scope = Scope.daemon();
  const planned = planPlugins(
    plugins.map((each) => ({
      plugin: each,
      table: { id: each.id, enabled: true, optional: optional.includes(each.id), settings: {} },
    })),
    [],
  );
  await host.start(planned, scope);
  return { host, scope };
}

const skipping = plugin("engine", { provides: [Engine], start: () => ({ skip: "runc is not installed" }) });

test("records why a plugin skipped, and skips those that need it with the reason", async () => {
  const { host } = await run([skipping, plugin("area", { requires: [Engine] })]);
  assert.equal(host.list().map(({ id, state }) => [id, state]), [["area", "skipped"], ["engine", "skipped"]]);
  assert.is(host.unserved().get("engine"), "runc is not installed");
  assert.match(
    host.unserved().get("area")!,
    /needs test.host.engine from plugin "engine", which is skipped: runc/,
  );
});

test("stops the boot when a plugin fails, naming plugin and phase", async () => {
  const broken = plugin("broken", {
    start() {
      throw new Error("no such device");
    },
  });
  assert.is((await rejection(run([broken]))).message, 'plugin "broken" failed to start: no such device');
});

class WillNotOpen {
  open() {
    throw new Error("no such device");
  }
}

const failing = plugin("failing", { provides: [Engine], daemon: (scope) => scope.bind(Engine, WillNotOpen) });

test("stops the boot when a plugin's object fails to open, naming the plugin", async () => {
  assert.is((await rejection(run([failing]))).message, 'plugin "failing" failed to start: no such device');
});

test("boots without an optional plugin that fails, and says so", async () => {
  const { host } = await run([failing], ["failing"]);
  assert.equal(host.list().map(({ state, reason }) => [state, reason]), [
    ["failed", 'plugin "failing" failed to start: no such device'],
  ]);
});

test("cannot spare an optional plugin that another needs", async () => {
  const area = plugin("area", { requires: [Engine] });
  assert.match(
    (await rejection(run([failing, area], ["failing"]))).message,
    /plugin "failing" failed to start/,
  );
});

test("turns a failing description into a warning", async () => {
  const shy = plugin("shy", {
    describe() {
      throw new Error("no words");
    },
  });
  const { host } = await run([shy]);
  assert.equal(await host.describe(), [{ id: "shy", warnings: ["shy cannot describe itself: no words"] }]);
});
