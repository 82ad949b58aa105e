import { checkSettings } from "../../core/kernel/settings.ts";
import plugin from "../../plugins/cni/plugin.ts";
import { type CniSettings, CniSettingsSchema } from "../../plugins/cni/settings.ts";
import { assert, test } from "../support/test.ts";
import { silent } from "../../core/support/logger.ts";

function configured(table: object): CniSettings {
  return plugin.configure!(checkSettings<CniSettings>(CniSettingsSchema, table, "plugins.cni"));
}

function skipReason(settings: CniSettings): string | undefined {
  const daemon = {
    version: "",
    runtime: "",
    dataDir: "/",
    id: "aaaaaaaa",
    startedAt: new Date(),
    log: silent,
  };
  const answer = plugin.start!({ settings, log: silent, daemon: { ...daemon, liveJobs: () => [] } });
  return (answer as { skip: string } | undefined)?.skip;
}

test("has defaults for everything", () => {
  const settings = configured({});
  assert.equal(settings.binDirs, ["/opt/cni/bin", "/usr/lib/cni"]);
  assert.is(settings.subnetBits, 24);
});

test("names the key of a range that is wrong", () => {
  assert.throws(() => configured({ pool: ["10.0.0.0/16", "nonsense"] }), /^pool\.1: "nonsense" is not/);
  assert.throws(
    () => configured({ pool: ["10.0.0.0/25"] }),
    /^pool\.0: 10\.0\.0\.0\/25 is smaller than one subnet/,
  );
  assert.throws(() => configured({ pool: ["0.0.0.0/0"] }), /^pool\.0: .* wider/);
  assert.throws(() => configured({ pools: [] }), /plugins\.cni\.pools: unknown key/);
});

test("starts where everything is installed", () => {
  assert.is(skipReason(configured({})), undefined);
});

test("skips where the CNI plugins are missing, naming the package", () => {
  const reason = skipReason(configured({ binDirs: ["/nonexistent"] }));
  assert.is(reason, "the CNI plugin bridge is not in /nonexistent: install containernetworking-plugins");
});
