import { controlClient } from "../../core/control/client.ts";
import type { PluginStatus } from "../../core/kernel/plugin.ts";
import type { PluginDirectory } from "../../core/kernel/tokens.ts";
import { apiErrorOf, invalid } from "../../core/support/errors.ts";
import { assert, rejection, test } from "../support/test.ts";
import { entry, FakeCacheAdmin } from "./fake-cache-admin.ts";
import { serveControl } from "./fakes.ts";

test("lists the cache, with every number and name as it is", async (undo) => {
  const cache = new FakeCacheAdmin();
  const all = {
    digest: `sha256:${"b".repeat(64)}`,
    origins: ["a.test/x", "b.test/y"],
    sizeBytes: Number.MAX_SAFE_INTEGER,
    uniqueBytes: 0,
    lastUsed: new Date("2026-01-02T03:04:05.678Z"),
    heldBy: ["one", "two"],
    preloaded: true,
  };
  cache.entries = [all];
  const { dataDir } = await serveControl(undo, { cache });
  const [image] = (await controlClient(dataDir).listCache({})).images;
  const { $typeName: _, ...fields } = image!;
  assert.equal({ ...fields }, {
    ...all,
    sizeBytes: BigInt(Number.MAX_SAFE_INTEGER),
    uniqueBytes: 0n,
    lastUsed: "2026-01-02T03:04:05.678Z",
  });
});

test("prunes what is asked for, and by the watermarks when nothing is", async (undo) => {
  const cache = new FakeCacheAdmin();
  const { dataDir } = await serveControl(undo, { cache });
  const client = controlClient(dataDir);
  const { removed, freedBytes } = await client.pruneCache({});
  assert.equal([removed.length, freedBytes], [1, 345_678n]);
  await client.pruneCache({ what: { case: "all", value: true } });
  await client.pruneCache({ what: { case: "all", value: false } });
  await client.pruneCache({ what: { case: "olderThanMs", value: 86_400_000n } });
  await client.pruneCache({ what: { case: "untilFreeBytes", value: 10n ** 12n } });
  assert.equal(cache.wishes, [
    { kind: "over-watermarks" },
    { kind: "all" },
    { kind: "over-watermarks" },
    { kind: "older-than", ageMs: 86_400_000 },
    { kind: "until-free", freeBytes: 1e12 },
  ]);
});

test("tells the figures, and limits of bytes only when there are some", async (undo) => {
  const cache = new FakeCacheAdmin();
  const { dataDir } = await serveControl(undo, { cache });
  const client = controlClient(dataDir);
  const stats = await client.cacheStats({});
  assert.equal([stats.images, stats.cacheBytes, stats.hits, stats.evictedImages], [
    3,
    5_000_000_000n,
    7n,
    1n,
  ]);
  const { highPercent, lowPercent, highBytes } = stats.watermarks!;
  assert.equal([highPercent, lowPercent, highBytes], [85, 80.5, undefined]);
  cache.figures = {
    ...cache.figures,
    watermarks: { highPercent: 1, lowPercent: 0, highBytes: 9, lowBytes: 0 },
  };
  const limited = (await client.cacheStats({})).watermarks!;
  assert.equal([limited.highBytes, limited.lowBytes], [9n, 0n]);
});

test("passes the cache's own errors on", async (undo) => {
  const cache = new FakeCacheAdmin();
  cache.list = () => Promise.reject(invalid("no such thing"));
  const { dataDir } = await serveControl(undo, { cache });
  const error = apiErrorOf(await rejection(controlClient(dataDir).listCache({})));
  assert.equal([error?.kind, error?.message], ["invalid", "no such thing"]);
});

test("says which plugin would keep a cache, and why it does not", async (undo) => {
  const refusal = async (images?: Pick<PluginStatus, "state" | "reason">) => {
    const listed = images ? [{ id: "images", summary: "", routes: [], ...images }] : [];
    const plugins: PluginDirectory = { list: () => listed, describe: () => Promise.resolve([]) };
    const { dataDir } = await serveControl(undo, { plugins });
    const client = controlClient(dataDir);
    const refused = [client.listCache({}), client.pruneCache({}), client.cacheStats({})].map(rejection);
    const errors = (await Promise.all(refused)).map(apiErrorOf);
    assert.equal(errors.map((error) => error?.kind), Array(3).fill("not-implemented"));
    return errors[0]!.message;
  };
  assert.is(await refusal(), 'plugin "images" keeps the image cache: it is not enabled');
  assert.is(
    await refusal({ state: "skipped", reason: "it needs images.store" }),
    'plugin "images" keeps the image cache: it is skipped: it needs images.store',
  );
});

test("lists a thousand images", async (undo) => {
  const cache = new FakeCacheAdmin();
  cache.entries = Array.from({ length: 1000 }, () => entry());
  const { dataDir } = await serveControl(undo, { cache });
  assert.is((await controlClient(dataDir).listCache({})).images.length, 1000);
});
