import { readdir, readFile, statfs } from "node:fs/promises";
import { pause } from "../../core/support/deadline.ts";
import type { Undo } from "../../core/support/undo.ts";
import { mountsBelow } from "../../plugins/containerd/mounts.ts";
import type { Settings } from "../../plugins/containerd/settings.ts";
import { imageOf, layerOf, plainLayer, tarOf } from "../contract/image-store-fixtures.ts";
import { never, quiet, refused } from "../contract/image-store-harness.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { size } from "../support/wire.ts";
import { gzipBomb, zstdBomb } from "./store-bombs.ts";
import { contents } from "./store-contents.ts";
import { containerdDirectory, supervisorFor } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const mebibyte = 1024 * 1024;

/** A containerd with a job's store, and what can be seen of it on the disk. */
async function open(undo: Undo, settings: Partial<Settings>) {
  const dir = await containerdDirectory(undo);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  const { store } = (await TestStores.open(undo, connection, { settings })).job("one");
  const root = `${supervisor.paths.root}/io.containerd.snapshotter.v1.overlayfs/snapshots`;
  const left = async () => ({
    ...(await contents(connection)),
    directories: await readdir(root).catch(() => []),
    mounts: await mountsBelow(dir),
  });
  return { store, connection, dir, left };
}

for (const origin of ["registry.test/bomb", undefined]) {
  const by = origin ? "pull" : "load";

  for (const [compression, make] of [["gzip", gzipBomb], ["zstd", zstdBomb]] as const) {
    test(`stops a ${compression} layer at the limit by ${by}, and gives the disk back`, async (undo) => {
      const limit = size(1024, 64) * mebibyte;
      const { store, dir, left } = await open(undo, { maxLayerBytes: limit, maxImageBytes: 2 * limit });
      // 10 MB of gzip make 10 GB at best, and 3 MB of zstd 100 GB.
      const bomb = await make(compression === "gzip" ? size(10_000, 4096) : size(100_000, 20_000));
      const most = await mostUsedWhile(dir, async () => {
        const error = await rejection(store.ingest(imageOf([bomb], origin), quiet, never));
        refused(error, `more than ${limit} bytes (maxLayerBytes)`);
      });
      assert.ok(most < 2 * limit + 512 * mebibyte, `${most} bytes were used`);
      const { leases: _, ...rest } = await left();
      assert.equal(rest, { blobs: [], snapshots: [], writes: [], directories: [], mounts: [] });
    });
  }
}

test("stops an image whose layers are each small enough and together too large", async (undo) => {
  const { store, left } = await open(undo, { maxLayerBytes: 9 * mebibyte, maxImageBytes: 20 * mebibyte });
  const layers = await Promise.all(
    [1, 2, 3].map((at) => layerOf({ [`file${at}`]: Buffer.alloc(8 * mebibyte, at) })),
  );
  const error = await rejection(store.ingest(imageOf(layers, "r.test/a"), quiet, never));
  refused(error, "maxImageBytes");
  assert.equal((await left()).snapshots, []);
  await store.ingest(imageOf(layers.slice(0, 2), "r.test/a"), quiet, never);
});

test("counts the layers that are there already", async (undo) => {
  const { store } = await open(undo, { maxImageFiles: 30 });
  const files = (name: string) =>
    layerOf(Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`${name}${at}`, ""])));
  const [one, two] = [await files("a"), await files("b")];
  await store.ingest(imageOf([one], "r.test/a"), quiet, never);
  refused(await rejection(store.ingest(imageOf([one, two], "r.test/a"), quiet, never)), "maxImageFiles");
});

test("refuses layers that claim to be larger together than an image may be, and fetches nothing", async (undo) => {
  const { store } = await open(undo, { maxImageBytes: 10 ** 9 });
  const layer = await layerOf({ "a": "1" });
  const claim = { ...layer, descriptor: { ...layer.descriptor, sizeBytes: 200 * 10 ** 9 } };
  const source = imageOf([claim], "r.test/a");
  refused(
    await rejection(store.ingest(source, quiet, never)),
    "layers of 200000000000 bytes together, and maxImageBytes is 1000000000",
  );
  assert.equal(source.reads, []);
});

test("refuses ten thousand layers before it fetches one", async (undo) => {
  const { store } = await open(undo, {});
  const layer = await layerOf({ "a": "1" });
  const source = imageOf(Array(10_000).fill(layer), "r.test/a");
  refused(
    await rejection(store.ingest(source, quiet, never)),
    "image has 10000 layers, and maxLayers is 128",
  );
  assert.equal(source.reads, []);
});

test("stops containerd's unpacking at once when nobody wants it any more, and leaves no mount", async (undo) => {
  const { store, dir, left } = await open(undo, {
    maxLayerBytes: 64 * 1024 ** 3,
    maxImageBytes: 64 * 1024 ** 3,
  });
  const bomb = await zstdBomb(60_000);
  const stop = new AbortController();
  const begin = await freeBytes(dir);
  const broken = rejection(store.ingest(imageOf([bomb], "r.test/a"), quiet, stop.signal));
  await eventually("unpacking", async () => begin - await freeBytes(dir) > 20 * mebibyte);
  stop.abort(new Error("client gone"));
  const at = Date.now();
  assert.is((await broken).message, "client gone");
  const tookMs = Date.now() - at;
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
  const { snapshots, writes, directories, mounts } = await left();
  assert.equal({ snapshots, writes, directories, mounts }, {
    snapshots: [],
    writes: [],
    directories: [],
    mounts: [],
  });
});

test("holds no blob in memory", async (undo) => {
  const { store } = await open(undo, {});
  const noise = Buffer.alloc(mebibyte, "noise");
  const layer = plainLayer(await tarOf({ "noise": Buffer.alloc(size(1000, 200) * mebibyte, noise) }));
  const source = imageOf([layer], "r.test/a");
  const before = await residentBytes();
  let most = 0;
  const watch = setInterval(async () => most = Math.max(most, await residentBytes()), 5);
  await store.ingest(source, quiet, never).finally(() => clearInterval(watch));
  assert.ok(most - before < 100 * mebibyte, `grew by ${most - before} bytes`);
});

async function residentBytes(): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8");
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}

async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/** The most that the disk was fuller than before while something ran. Others use the disk too: a rough figure. */
async function mostUsedWhile(dir: string, work: () => Promise<void>): Promise<number> {
  const begin = await freeBytes(dir);
  let most = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      most = Math.max(most, begin - await freeBytes(dir));
      await pause(5, over.signal);
    }
  })();
  await work().finally(() => over.abort());
  await watching;
  return most;
}
