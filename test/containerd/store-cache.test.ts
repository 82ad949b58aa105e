/** The cache in containerd: the contract, what is off the disk when it should be, and removals in others' way. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { ContainerdImageCache, pinLeaseId } from "../../plugins/containerd/images/cache.ts";
import { cacheLeaseId } from "../../plugins/containerd/images/shared-images.ts";
import { contentResource, jobLeaseId } from "../../plugins/containerd/lease.ts";
import { privatePaths } from "../../plugins/containerd/supervisor-config.ts";
import { imageCacheContract } from "../contract/image-cache.ts";
import { attestationOf, imageOf, indexed, layerOf } from "../contract/image-store-fixtures.ts";
import { never, quiet, readAll } from "../contract/image-store-harness.ts";
import { assert, rejection, test } from "../support/test.ts";
import { contents } from "./store-contents.ts";
import { containerdDirectory, privateContainerd, supervisorFor } from "./store-containerd.ts";
import { testSettings, TestStores } from "./store-jobs.ts";

const origin = "registry.test/app";

async function cacheOn(undo: Undo, connection: ContainerdConnection, jobs = connection) {
  const stores = await TestStores.open(undo, jobs);
  const cache = new ContainerdImageCache(connection, stores.shared, testSettings);
  undo.add("cache", () => cache.close());
  return { stores, cache };
}

imageCacheContract("containerd", async (undo) => {
  const { stores, cache } = await cacheOn(undo, await privateContainerd(undo));
  return {
    cache,
    async openJob(id) {
      const job = stores.job(id);
      undo.add(`job ${id}`, job.close);
      return job;
    },
  };
});

test("a job's loaded image is off the disk when the job has closed, and what was pulled stays", async (undo) => {
  const dir = await containerdDirectory(undo);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  const { stores } = await cacheOn(undo, connection);
  const files = () => filesOf(privatePaths(dir).root);
  const job = stores.job("one");
  const pulled = await job.store.ingest(imageOf([await layerOf({ "p": "1" })], origin), quiet, never);
  const before = await files();
  const loaded = await job.store.ingest(imageOf([await layerOf({ "l": "1" })], undefined), quiet, never);
  const during = await files();
  assert.is(during.blobs.length, before.blobs.length + 3);
  assert.is(during.snapshots.length, before.snapshots.length + 1);
  assert.ok(during.blobs.includes(loaded.id.slice("sha256:".length)));
  await job.close();
  assert.equal(await files(), before);
  assert.ok(before.blobs.includes(pulled.id.slice("sha256:".length)));
});

test("what leaves the cache is off the disk, with its index and attestations", async (undo) => {
  const dir = await containerdDirectory(undo);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  const { stores, cache } = await cacheOn(undo, connection);
  const source = imageOf([await layerOf({ "a": "1" })], origin);
  indexed(source, [attestationOf(source, ["provenance"])]);
  const job = stores.job("one");
  await job.store.ingest(source, quiet, never);
  await job.close();
  const [image] = await cache.list();
  // Manifest, configuration and layer, packed and unpacked; index; attestation with configuration and statement.
  assert.is(image!.pieces.length, 8);
  await cache.remove([source.manifest.digest]);
  assert.equal(await filesOf(privatePaths(dir).root), { blobs: [], snapshots: [] });
  assert.equal(await contents(connection), { blobs: [], snapshots: [], leases: [cacheLeaseId], writes: [] });
});

test("a pull whose image goes between the check and the hold brings it again", async (undo) => {
  const connection = await privateContainerd(undo);
  const before: (() => Promise<unknown>)[] = [];
  const { stores, cache } = await cacheOn(
    undo,
    connection,
    intercepted(undo, connection, async (lease, digest) => {
      if (lease === jobLeaseId("two") && digest === source.manifest.digest) await before.shift()?.();
    }),
  );
  const layers = [await layerOf({ "a": "1" }), await layerOf({ "b": "2" })];
  const source = imageOf(layers, origin);
  const one = stores.job("one");
  await one.store.ingest(source, quiet, never);
  await one.close();
  let removed: readonly string[] = [];
  before.push(async () => removed = (await cache.remove([source.manifest.digest])).removed);
  const again = imageOf(layers, origin);
  const two = stores.job("two");
  const image = await two.store.ingest(again, quiet, never);
  assert.equal(removed, [source.manifest.digest]);
  assert.is(again.reads.length, 3);
  assert.is((await readAll(two.store, image.layers[0]!)).length, layers[0]!.blob.length);
  assert.equal((await cache.list()).map(({ heldBy }) => heldBy), [["two"]]);
});

test("a removal that a pull overtakes leaves the image to the job and to the cache", async (undo) => {
  const connection = await privateContainerd(undo);
  const layers = [await layerOf({ "a": "1" })];
  const source = imageOf(layers, origin);
  let meanwhile = async () => {};
  const raced = intercepted(undo, connection, async (lease, _, call) => {
    if (lease === cacheLeaseId && call === "deleteResource") await meanwhile();
  });
  const { stores } = await cacheOn(undo, connection);
  const cache = new ContainerdImageCache(raced, stores.shared, testSettings);
  const one = stores.job("one");
  await one.store.ingest(source, quiet, never);
  await one.close();
  const two = stores.job("two");
  meanwhile = async () => void await two.store.ingest(imageOf(layers, origin), quiet, never);
  assert.equal(await cache.remove([source.manifest.digest]), { removed: [], freedBytes: 0 });
  await two.close();
  assert.equal((await cache.list()).map(({ digest }) => digest), [source.manifest.digest]);
});

test("pulls and removals of the same images at once never fail a pull, nor leave half an image", async (undo) => {
  const connection = await privateContainerd(undo);
  const { stores, cache } = await cacheOn(undo, connection);
  const base = await layerOf({ "base": "0" });
  const tops = await Promise.all(["1", "2", "3"].map((text) => layerOf({ "top": text })));
  let pulling = true;
  const removing = (async () => {
    let gone = 0;
    while (pulling) {
      const all = (await cache.list()).map(({ digest }) => digest);
      gone += (await cache.remove(all)).removed.length;
    }
    return gone;
  })();
  await Promise.all(tops.map(async (top, at) => {
    for (let time = 0; time < 8; time++) {
      const job = stores.job(`job-${at}-${time}`);
      const image = await job.store.ingest(imageOf([base, top], origin), quiet, never);
      for (const blob of [image.manifest, image.configBlob, ...image.layers]) {
        assert.is((await readAll(job.store, blob)).length, blob.sizeBytes);
      }
      const parent = (await contents(connection)).snapshots;
      assert.ok(parent.includes(base.diffId));
      await job.close();
    }
  }));
  pulling = false;
  const gone = await removing;
  assert.ok(gone > 0, "no removal came between");
  await cache.remove((await cache.list()).map(({ digest }) => digest));
  assert.equal(await contents(connection), { blobs: [], snapshots: [], leases: [cacheLeaseId], writes: [] });
});

test("a removal that a kill -9 cut off leaves a store that works, and nothing that stays for ever", async (undo) => {
  const connection = await privateContainerd(undo);
  const { stores, cache } = await cacheOn(undo, connection);
  const layers = [await layerOf({ "a": "1" })];
  const source = imageOf(layers, origin);
  for (const isOffTheList of [false, true]) {
    const job = stores.job("one");
    await job.store.ingest(imageOf(layers, origin), quiet, never);
    await job.close();
    // What a removal has done when its daemon is killed in the middle.
    await connection.leases.create({ id: "berth-collect-1-1", labels: { "berth/ingest": "PRELOAD" } });
    const resource = contentResource(source.manifest.digest);
    if (isOffTheList) await connection.leases.deleteResource({ id: cacheLeaseId, resource });
    const next = await cacheOn(undo, connection);
    assert.equal((await contents(connection)).leases, [cacheLeaseId]);
    assert.is((await contents(connection)).blobs.length, isOffTheList ? 0 : 3);
    const again = next.stores.job("two");
    const image = await again.store.ingest(imageOf(layers, origin), quiet, never);
    assert.is((await readAll(again.store, image.layers[0]!)).length, layers[0]!.blob.length);
    await again.close();
    assert.is((await next.cache.list()).length, 1);
  }
  await cache.remove([source.manifest.digest]);
  assert.equal((await contents(connection)).blobs, []);
});

test("a pinned image stays for the next daemon, whatever is removed", async (undo) => {
  const connection = await privateContainerd(undo);
  const { cache } = await cacheOn(undo, connection);
  const source = imageOf([await layerOf({ "a": "1" })], origin);
  indexed(source, []);
  const image = await cache.pin(source, quiet, never);
  const next = await cacheOn(undo, connection);
  assert.equal((await contents(connection)).leases, [cacheLeaseId, pinLeaseId]);
  assert.equal(await next.cache.keepPinned([image]), [image]);
  assert.equal((await next.cache.remove([source.manifest.digest])).removed, []);
  const job = next.stores.job("one");
  assert.is((await readAll(job.store, image.index!)).length, image.index!.sizeBytes);
  await job.close();
  // A job that uses it without pulling makes no lease.
  assert.equal((await contents(connection)).leases, [cacheLeaseId, pinLeaseId]);
});

test("a pin ends when the daemon stops, with nothing half done left", async (undo) => {
  const connection = await privateContainerd(undo);
  const { cache } = await cacheOn(undo, connection);
  const source = imageOf([await layerOf({ "a": "1" })], origin);
  let reached = () => {};
  const reading = new Promise<void>((resolve) => reached = resolve);
  source.stalls = () => (reached(), true);
  const pin = rejection(cache.pin(source, quiet, never));
  await reading;
  await cache.close();
  assert.is((await pin).message, "the daemon is stopping");
  assert.equal((await contents(connection)).blobs, []);
});

/** The same connection, with something done before each change of a lease's list. */
function intercepted(
  undo: Undo,
  connection: ContainerdConnection,
  before: (leaseId: string, digest: string, call: "addResource" | "deleteResource") => Promise<void>,
): ContainerdConnection {
  const { leases } = connection;
  const changed: typeof leases = {
    ...leases,
    async addResource(request) {
      await before(request.id ?? "", request.resource?.id ?? "", "addResource");
      return await leases.addResource(request);
    },
    async deleteResource(request) {
      await before(request.id ?? "", request.resource?.id ?? "", "deleteResource");
      return await leases.deleteResource(request);
    },
  };
  const other = new ContainerdConnection(connection);
  undo.add("intercepted connection", () => other.close());
  return Object.assign(other, { leases: changed });
}

/** What lies on disk. */
async function filesOf(root: string): Promise<{ blobs: string[]; snapshots: string[] }> {
  const names = async (below: string) => (await readdir(join(root, below)).catch((): string[] => [])).sort();
  return {
    blobs: await names("io.containerd.content.v1.content/blobs/sha256"),
    snapshots: await names("io.containerd.snapshotter.v1.overlayfs/snapshots"),
  };
}
