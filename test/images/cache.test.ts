/** Who leaves the cache, and when. */
import type { Undo } from "../../core/support/undo.ts";
import { unavailable } from "../../core/support/errors.ts";
import type { CachedImage } from "../../plugins/images/backend.ts";
import { KeptCache } from "../../plugins/images/cache/admin.ts";
import { CacheKeeper } from "../../plugins/images/cache/keeper.ts";
import type { Watermarks } from "../../plugins/images/cache/settings.ts";
import { oldestFor, totalBytes, uniqueBytes } from "../../plugins/images/cache/sizes.ts";
import { HeldImages } from "../../plugins/images/held-images.ts";
import { imageOf, layerOf } from "../contract/image-store-fixtures.ts";
import { facts } from "../support/facts.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { openArea } from "./area.ts";
import { FakeCache } from "./fake-cache.ts";

const never = new AbortController().signal;
const quiet = () => {};
const unlimited: Watermarks = { highPercent: 100, lowPercent: 100 };

/** An image of these pieces; those of the same name are shared. */
function image(name: string, pieces: Record<string, number>, more: Partial<CachedImage> = {}): CachedImage {
  return {
    digest: name,
    origins: [],
    pieces: Object.entries(pieces).map(([id, sizeBytes]) => ({ id, sizeBytes })),
    lastUsed: new Date(0),
    heldBy: [],
    pinned: false,
    ...more,
  };
}
const at = (seconds: number) => ({ lastUsed: new Date(seconds * 1000) });
const names = (images: readonly { digest: string }[]) => images.map(({ digest }) => digest);

test("counts what images share once, and to nobody's own", () => {
  const images = [image("a", { base: 100, a: 1 }), image("b", { base: 100, b: 2 }), image("c", { c: 50 })];
  assert.is(totalBytes(images), 153);
  assert.equal([...uniqueBytes(images)], [["a", 1], ["b", 2], ["c", 50]]);
});

test("takes the least recently used images, and no more than it needs", () => {
  const images = [
    image("new", { n: 10 }, at(3)),
    image("old", { o: 10 }, at(1)),
    image("mid", { m: 10 }, at(2)),
  ];
  assert.equal(names(oldestFor(1, images)), ["old"]);
  assert.equal(names(oldestFor(10, images)), ["old"]);
  assert.equal(names(oldestFor(11, images)), ["old", "mid"]);
  assert.equal(names(oldestFor(1000, images)), ["old", "mid", "new"]);
  assert.equal(oldestFor(0, images), []);
});

test("counts a shared layer as room only when the last image that has it goes", () => {
  const images = [
    image("a", { base: 100, a: 1 }, at(1)),
    image("b", { base: 100, b: 1 }, at(2)),
    image("c", { c: 100 }, at(3)),
  ];
  assert.equal(names(oldestFor(50, images)), ["a", "b"]);
  const held = [images[0]!, { ...images[1]!, heldBy: ["job"] }, images[2]!];
  assert.equal(names(oldestFor(50, held)), ["a", "c"]);
});

test("passes over what is held or pinned", () => {
  const images = [
    image("held", { h: 10 }, { ...at(1), heldBy: ["job"] }),
    image("pinned", { p: 10 }, { ...at(2), pinned: true }),
    image("free", { f: 10 }, at(3)),
  ];
  assert.equal(names(oldestFor(1000, images)), ["free"]);
});

/** A cache with images that nobody holds any more, one second apart, oldest first. */
async function filled(count: number, sizeBytes = 10_000) {
  const cache = new FakeCache();
  const digests: string[] = [];
  for (let at = 0; at < count; at++) {
    const job = cache.job(`job${at}`);
    const layer = await layerOf({ [`file${at}`]: Buffer.alloc(sizeBytes, at + 1) });
    const { manifest } = await job.store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
    job.close();
    cache.usedAt(manifest.digest, new Date(Date.UTC(2026, 0, 1, 0, 0, at)));
    digests.push(manifest.digest);
  }
  return { cache, digests };
}

function keeperOf(undo: Undo, cache: FakeCache, watermarks: Watermarks, log = recorder()) {
  const keeper = new CacheKeeper(cache, watermarks, facts({ log }));
  undo.add("keeper", () => keeper.close());
  return { keeper, log, admin: new KeptCache(cache, keeper) };
}

/** A log that remembers its lines. */
function recorder() {
  const lines: { message: string; fields: Record<string, unknown> }[] = [];
  const note = (fields: object, message: string) => void lines.push({ message, fields: { ...fields } });
  const log = { error: note, warn: note, info: note, debug: note, child: () => log, lines };
  return log;
}

test("evicts from above the high mark of bytes to the low one, least recently used first, and says so", async (undo) => {
  const { cache, digests } = await filled(5);
  const each = totalBytes((await cache.list()).slice(0, 1));
  const { keeper, log } = keeperOf(undo, cache, {
    ...unlimited,
    highBytes: Math.floor(each * 4.5),
    lowBytes: Math.floor(each * 3.5),
  });
  keeper.open();
  await eventually("the cache to shrink", async () => (await cache.list()).length === 3);
  assert.equal(names(await cache.list()), digests.slice(2));
  const [line] = log.lines;
  assert.is(line!.message, "images evicted");
  assert.equal(line!.fields["images"], digests.slice(0, 2).map((digest) => `registry.test/app@${digest}`));
  assert.is(line!.fields["freedBytes"], keeper.counts.evictedBytes);
  assert.is(keeper.counts.evictedImages, 2);
});

test("evicts for a full file system, whoever filled it, and stops at the low mark", async (undo) => {
  const { cache, digests } = await filled(4);
  const each = totalBytes((await cache.list()).slice(0, 1));
  cache.capacityBytes = each * 100;
  cache.otherBytes = each * 83;
  const { keeper } = keeperOf(undo, cache, { highPercent: 85, lowPercent: 84.5 });
  await keeper.evictOverWatermarks();
  // 87 percent used: three images make 84.
  assert.equal(names(await cache.list()), digests.slice(3));
});

test("leaves a cache between its marks alone", async (undo) => {
  const { cache } = await filled(4);
  const each = totalBytes((await cache.list()).slice(0, 1));
  cache.capacityBytes = each * 100;
  cache.otherBytes = each * 79;
  const { keeper } = keeperOf(undo, cache, {
    highPercent: 85,
    lowPercent: 10,
    highBytes: each * 5,
    lowBytes: 0,
  });
  await keeper.evictOverWatermarks();
  assert.is((await cache.list()).length, 4);
  assert.equal(cache.removals, []);
});

test("an excess of bytes does not evict for the disk's low mark, which nothing has called for", async (undo) => {
  const { cache } = await filled(4);
  const each = totalBytes((await cache.list()).slice(0, 1));
  cache.capacityBytes = each * 10;
  cache.otherBytes = each * 4;
  const marks = {
    highPercent: 85,
    lowPercent: 10,
    highBytes: Math.floor(each * 3.5),
    lowBytes: Math.floor(each * 3.2),
  };
  const { keeper } = keeperOf(undo, cache, marks);
  await keeper.evictOverWatermarks();
  assert.is((await cache.list()).length, 3);
});

test("goes on with the next image when a job took hold of the first in the middle", async (undo) => {
  const { cache, digests } = await filled(3);
  const each = totalBytes((await cache.list()).slice(0, 1));
  const { keeper } = keeperOf(undo, cache, {
    ...unlimited,
    highBytes: Math.floor(each * 2.2),
    lowBytes: Math.floor(each * 2.2),
  });
  const job = cache.job("quick");
  const oldest = await layerOf({ "file0": Buffer.alloc(10_000, 1) });
  cache.beforeRemoval = async () => {
    cache.beforeRemoval = () => {};
    await job.store.ingest(imageOf([oldest], "registry.test/app"), quiet, never);
  };
  await keeper.evictOverWatermarks();
  assert.equal(names(await cache.list()), [digests[0], digests[2]]);
});

test("says once that it is above its marks and nothing can go", async (undo) => {
  const { cache } = await filled(1);
  const job = cache.job("live");
  const layer = await layerOf({ "file0": Buffer.alloc(10_000, 1) });
  await job.store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
  const { keeper, log } = keeperOf(undo, cache, { ...unlimited, highBytes: 1, lowBytes: 1 });
  for (let time = 0; time < 3; time++) await keeper.evictOverWatermarks();
  assert.equal(log.lines.map(({ message }) => message), ["cache above its watermarks, all of it in use"]);
});

test("never removes twice at once", async (undo) => {
  const { cache } = await filled(6);
  const { admin } = keeperOf(undo, cache, unlimited);
  let now = 0;
  let most = 0;
  cache.beforeRemoval = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    now--;
  };
  await Promise.all([
    admin.prune({ kind: "all" }),
    admin.prune({ kind: "all" }),
    admin.prune({ kind: "all" }),
  ]);
  assert.is(most, 1);
  assert.equal(await cache.list(), []);
});

test("goes on looking after the engine was away, and tells the trouble once", async (undo) => {
  const { cache } = await filled(2);
  cache.failure = unavailable("containerd is not answering");
  const { keeper, log } = keeperOf(undo, cache, { ...unlimited, highBytes: 0, lowBytes: 0 });
  keeper.open();
  await eventually("the trouble", () => log.lines.length === 1);
  assert.match(String(log.lines[0]!.fields["error"]), "containerd is not answering");
  cache.failure = undefined;
  keeper.lookSoon();
  await eventually("the cache to be empty", async () => (await cache.list()).length === 0);
});

test("looks again after an image that came while it was looking, and closes in the middle", async (undo) => {
  const { cache } = await filled(1);
  const { keeper } = keeperOf(undo, cache, { ...unlimited, highBytes: 0, lowBytes: 0 });
  keeper.open();
  await eventually("the cache to be empty", async () => (await cache.list()).length === 0);
  const job = cache.job("next");
  await job.store.ingest(imageOf([], "registry.test/app"), quiet, never);
  job.close();
  keeper.pulled(false);
  await eventually("the cache to be empty again", async () => (await cache.list()).length === 0);
  keeper.lookSoon();
  await keeper.close();
  await keeper.close();
  keeper.lookSoon();
});

test("prunes what is old, what frees enough, or everything that can go", async (undo) => {
  const { cache, digests } = await filled(4);
  const each = totalBytes((await cache.list()).slice(0, 1));
  const { admin, keeper } = keeperOf(undo, cache, unlimited);
  cache.usedAt(digests[3]!, new Date());
  assert.equal((await admin.prune({ kind: "older-than", ageMs: 3_600_000 * 24 * 365 * 100 })).removed, []);
  cache.usedAt(digests[2]!, new Date());
  const old = await admin.prune({ kind: "older-than", ageMs: 3_600_000 });
  assert.equal(names(old.removed), digests.slice(0, 2));
  assert.ok(Math.abs(old.freedBytes - each * 2) < 100);
  cache.capacityBytes = each * 2;
  const { availableBytes } = await cache.disk();
  assert.equal((await admin.prune({ kind: "until-free", freeBytes: availableBytes })).removed, []);
  assert.is((await admin.prune({ kind: "until-free", freeBytes: availableBytes + 1 })).removed.length, 1);
  assert.is((await admin.prune({ kind: "all" })).removed.length, 1);
  assert.equal(await admin.list(), []);
  assert.is(keeper.counts.evictedImages, 4);
  for (const wish of [{ kind: "older-than", ageMs: -1 }, { kind: "until-free", freeBytes: -1 }] as const) {
    assert.match((await rejection((async () => admin.prune(wish))())).message, "negative");
  }
});

test("lists least recently used first, and counts held and preloaded images", async (undo) => {
  const { cache, digests } = await filled(2);
  const { admin } = keeperOf(undo, cache, { ...unlimited, highBytes: 1e9, lowBytes: 1e8 });
  cache.usedAt(digests[0]!, new Date());
  const base = await cache.pin(imageOf([], "registry.test/base"), quiet, never);
  await cache.job("live").store.ingest(imageOf([], "registry.test/base"), quiet, never);
  cache.usedAt(base.manifest.digest, new Date(0));
  const listed = await admin.list();
  assert.equal(names(listed), [base.manifest.digest, digests[1], digests[0]]);
  assert.equal(listed[0]!.heldBy, ["live"]);
  const stats = await admin.stats();
  assert.equal([stats.images, stats.heldImages, stats.preloadedImages], [3, 1, 1]);
  assert.is(stats.cacheBytes, totalBytes(await cache.list()));
  assert.equal(stats.watermarks, { ...unlimited, highBytes: 1e9, lowBytes: 1e8 });
});

test("counts a pull as a hit when nothing was downloaded, and an archive as neither", async (undo) => {
  const cache = new FakeCache();
  const { keeper } = keeperOf(undo, cache, unlimited);
  const { table } = await openArea(undo);
  const held = new HeldImages(cache.job("one").store, table, keeper);
  const layers = [await layerOf({ "a": "1" })];
  for (const origin of ["registry.test/app", "registry.test/app", undefined]) {
    await held.bring(imageOf(layers, origin), [], quiet, never);
  }
  assert.equal([keeper.counts.hits, keeper.counts.misses], [1, 1]);
});

test("takes what a job pulled for used until the job closes", async (undo) => {
  const cache = new FakeCache();
  const { keeper } = keeperOf(undo, cache, unlimited);
  const { table } = await openArea(undo);
  const held = new HeldImages(cache.job("one").store, table, keeper);
  const { manifest } = await held.bring(imageOf([], "registry.test/app"), [], quiet, never);
  cache.usedAt(manifest.digest, new Date(0));
  held.close();
  await eventually("the use", async () => (await cache.list())[0]!.lastUsed.getTime() > 0);
});
