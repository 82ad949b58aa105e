/** The keys of `[plugins.images]` that concern the cache: what is refused before anything starts. */
import { planPlugins } from "../../core/kernel/plan.ts";
import { DaemonToken, JobToken } from "../../core/kernel/tokens.ts";
import { ImageCacheToken, ImageStoreToken, RegistriesToken } from "../../plugins/images/backend.ts";
import { watermarksOf } from "../../plugins/images/cache/settings.ts";
import images from "../../plugins/images/plugin.ts";
import type { PluginSettings } from "../../plugins/images/settings.ts";
import { assert, test } from "../support/test.ts";

const engines = [DaemonToken, JobToken, ImageCacheToken, ImageStoreToken, RegistriesToken];

/** What the plan makes of these keys; throws what stops the daemon. */
function planned(settings: Record<string, unknown>): PluginSettings {
  const table = { id: "images", enabled: true, optional: false, settings };
  return planPlugins([{ plugin: images, table }], engines)[0]!.settings as PluginSettings;
}

/** Why the daemon does not start with these keys; empty when it does. */
function refusal(settings: Record<string, unknown>): string {
  try {
    planned(settings);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

test("preloads nothing and watches the disk alone when nothing is set", () => {
  const settings = planned({});
  assert.equal([settings.preload, settings.preloadCredentials], [[], undefined]);
  assert.equal(watermarksOf(settings.cache), { highPercent: 85, lowPercent: 80 });
});

test("names the key of a limit that is above the one it must be below", () => {
  assert.match(
    refusal({ cache: { highPercent: 50 } }),
    "cache.lowPercent: 80 is above cache.highPercent, which is 50",
  );
  assert.match(
    refusal({ cache: { highBytes: 10, lowBytes: 11 } }),
    "cache.lowBytes: 11 is above cache.highBytes, which is 10",
  );
  assert.match(refusal({ cache: { lowBytes: 11 } }), "cache.lowBytes: means nothing without cache.highBytes");
});

test("takes extremes, and fills in what follows from the rest", () => {
  const marks = (cache: object) => watermarksOf(planned({ cache }).cache);
  assert.equal(marks({ highPercent: 100, lowPercent: 100 }), { highPercent: 100, lowPercent: 100 });
  assert.equal(marks({ highPercent: 1, lowPercent: 0 }), { highPercent: 1, lowPercent: 0 });
  assert.equal(marks({ highBytes: 1000 }), {
    highPercent: 85,
    lowPercent: 80,
    highBytes: 1000,
    lowBytes: 900,
  });
  assert.is(marks({ highBytes: 0 }).lowBytes, 0);
  assert.is(marks({ highBytes: Number.MAX_SAFE_INTEGER, lowBytes: 0 }).lowBytes, 0);
});

test("whatever is written for the limits, they come out in order or the key is named", () => {
  const values = [
    undefined,
    -1,
    0,
    0.5,
    1,
    50,
    80,
    85,
    85.5,
    99,
    100,
    101,
    1e9,
    1e300,
    NaN,
    Infinity,
    "50",
    null,
    [],
  ];
  const keys = ["highPercent", "lowPercent", "highBytes", "lowBytes"] as const;
  let random = 1;
  const next = () => random = Math.imul(random, 1_103_515_245) + 12_345 & 0x7fffffff;
  let taken = 0;
  for (let round = 0; round < 20_000; round++) {
    const cache = Object.fromEntries(
      keys.map((key) => [key, values[next() % values.length]]).filter(([, value]) => value !== undefined),
    );
    const why = refusal({ cache });
    if (why) {
      assert.match(why, /cache\.(high|low)(Percent|Bytes): ./, JSON.stringify(cache));
      continue;
    }
    taken++;
    const { highPercent, lowPercent, highBytes, lowBytes } = watermarksOf(planned({ cache }).cache);
    assert.ok(lowPercent >= 0 && lowPercent <= highPercent && highPercent <= 100, JSON.stringify(cache));
    assert.is(highBytes === undefined, lowBytes === undefined);
    if (highBytes !== undefined) assert.ok(lowBytes! >= 0 && lowBytes! <= highBytes, JSON.stringify(cache));
  }
  assert.ok(taken > 100, `${taken}`);
});

test("names the entry that is no reference, and a path that depends on where the daemon starts", () => {
  assert.match(refusal({ preload: ["busybox", "Not A Name"] }), "preload.1: ");
  assert.match(refusal({ preload: ["a", "a"] }), "preload");
  assert.match(
    refusal({ preloadCredentials: "config.json" }),
    "preloadCredentials: config.json is not an absolute path",
  );
  assert.match(refusal({ cache: { highprecent: 5 } }), "cache.highprecent: unknown key");
});
