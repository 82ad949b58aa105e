import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ApiError } from "../../core/support/errors.ts";
import { ContainerdConnection, underLease } from "../../plugins/containerd/connection.ts";
import { chainIds, rootChainId } from "../../plugins/containerd/images/chain-id.ts";
import { cacheLeaseId } from "../../plugins/containerd/images/shared-images.ts";
import { jobLeaseId } from "../../plugins/containerd/lease.ts";
import type { Descriptor } from "../../plugins/images/backend.ts";
import { imageOf, layerOf, plainLayer, sha256, tarOf } from "../contract/image-store-fixtures.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { gzipBomb } from "./store-bombs.ts";
import { contents } from "./store-contents.ts";
import { containerdDirectory, privateContainerd, supervisorFor } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const never = new AbortController().signal;
const quiet = () => {};

test("shows a container the files of all layers, less those a later one deleted", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const layers = [
    await layerOf({ "etc/": "", "etc/kept": "below", "etc/gone": "x" }),
    await layerOf({ "etc/": "", "etc/.wh.gone": "", "etc/new": "above" }),
  ];
  const image = await store.ingest(imageOf(layers, undefined), quiet, never);
  const view = { snapshotter: "overlayfs", key: "look", parent: rootChainId(image.config) };
  const { mounts: [mount] } = await connection.snapshots.view(view, underLease(jobLeaseId("one")));
  const lower = mount?.options.find((option) => option.startsWith("lowerdir="))?.slice("lowerdir=".length);
  const [top, bottom] = lower?.split(":") as [string, string];
  assert.is(await readFile(`${bottom}/etc/kept`, "utf8"), "below");
  assert.is(await readFile(`${top}/etc/new`, "utf8"), "above");
  assert.ok((await readdir(`${top}/etc`)).includes("gone"));
});

test("links to a file that a source has, reads nothing of it, and believes it no more than other bytes", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const layer = plainLayer(await tarOf({ "noise": randomBytes(2_000_000) }));
  const directory = await mkdtemp(join(dirname(connection.address), "spool-"));
  const file = join(directory, "layer");
  const source = Object.assign(imageOf([layer], undefined), {
    file: ({ digest }: Descriptor) => digest === layer.descriptor.digest ? file : undefined,
  });
  await writeFile(file, Buffer.alloc(layer.blob.length));
  assert.match(
    (await rejection(store.ingest(source, quiet, never))).message,
    "other bytes than its digest says",
  );
  await rm(file);
  await writeFile(file, layer.blob);
  const image = await store.ingest(source, quiet, never);
  assert.not(source.reads.includes(layer.descriptor.digest));
  await rm(directory, { recursive: true });
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(image.layers[0]!, 0, never)) chunks.push(chunk);
  assert.is(sha256(Buffer.concat(chunks)), layer.descriptor.digest);
  assert.equal((await contents(connection)).writes, []);
});

test("keeps an image while a job or the cache holds it, and not a moment longer", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  const { store, close } = stores.job("one");
  const source = imageOf([await layerOf({ "a": "1" }), await layerOf({ "b": "2" })], "registry.test/app");
  await store.ingest(source, quiet, never);
  const full = await contents(connection);
  assert.is(full.blobs.length, 4);
  assert.is(full.snapshots.length, 2);
  assert.equal(full.leases, [cacheLeaseId, jobLeaseId("one")]);

  await connection.leases.delete({ id: cacheLeaseId, sync: true });
  assert.equal((await contents(connection)).blobs, full.blobs);
  await close();
  assert.equal(await contents(connection), { blobs: [], snapshots: [], leases: [], writes: [] });
});

test("keeps a closed job's image for the next one", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  const layer = await layerOf({ "a": "1" });
  const one = stores.job("one");
  await one.store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
  await one.close();
  assert.equal((await contents(connection)).leases, [cacheLeaseId]);
  const again = imageOf([layer], "registry.test/app");
  await stores.job("two").store.ingest(again, quiet, never);
  assert.equal(again.reads, []);
});

test("keeps nothing of an archive's image when its job closes", async (undo) => {
  const connection = await privateContainerd(undo);
  const one = (await TestStores.open(undo, connection)).job("one");
  await one.store.ingest(imageOf([await layerOf({ "a": "1" })], undefined), quiet, never);
  await one.close();
  assert.equal(await contents(connection), { blobs: [], snapshots: [], leases: [cacheLeaseId], writes: [] });
});

test("lets go of a released image and keeps the job's others", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const [base, top] = [await layerOf({ "a": "1" }), await layerOf({ "b": "2" })];
  const small = await store.ingest(imageOf([base], "registry.test/app"), quiet, never);
  const large = await store.ingest(imageOf([base, top], "registry.test/app"), quiet, never);
  await store.release(large);
  await connection.leases.delete({ id: cacheLeaseId, sync: true });
  assert.equal(
    (await contents(connection)).blobs,
    [small.manifest.digest, small.id, base.descriptor.digest].sort(),
  );
  assert.equal((await contents(connection)).snapshots, [rootChainId(small.config)]);
});

test("makes no lease for a job that stores nothing", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  await stores.job("idle").close();
  assert.equal((await contents(connection)).leases, [cacheLeaseId]);
});

test("deletes the lease that an earlier daemon made for a job, when that is closed", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  await stores.job("one").lease.ensure();
  await stores.job("one", { abandoned: true }).close();
  assert.equal((await contents(connection)).leases, [cacheLeaseId]);
});

test("leaves nothing of an ingest that fails", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  await store.ingest(imageOf([await layerOf({ "a": "1" })], "registry.test/app"), quiet, never);
  const before = await contents(connection);
  const good = await layerOf({ "good": "1" });
  const lying = await layerOf({ "lying": "1" });
  const missing = await layerOf({ "missing": "1" });
  const lie = imageOf([good, lying], "registry.test/app", { diffIds: [good.diffId, missing.diffId] });
  await rejection(store.ingest(lie, quiet, never));
  assert.equal(await contents(connection), before);
  const incomplete = imageOf([good, missing], "registry.test/app");
  incomplete.blobs.delete(missing.descriptor.digest);
  await rejection(store.ingest(incomplete, quiet, never));
  assert.equal(await contents(connection), before);
});

test("stops a layer that unpacks to more than maxLayerBytes, and gives the disk back", async (undo) => {
  const dir = await containerdDirectory(undo);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  const stores = await TestStores.open(undo, connection, { settings: { maxLayerBytes: 4_000_000 } });
  const bomb = await gzipBomb(1024);
  const error = await rejection(stores.job("one").store.ingest(imageOf([bomb], undefined), quiet, never));
  assert.is((error as ApiError).kind, "invalid");
  assert.match(error.message, "more than 4000000 bytes (maxLayerBytes)");
  assert.equal((await contents(connection)).snapshots, []);
  const left = await readdir(`${supervisor.paths.root}/io.containerd.snapshotter.v1.overlayfs/snapshots`);
  assert.equal(left, []);
});

test("stops a layer of more than maxLayerFiles files", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection, { settings: { maxLayerFiles: 50 } });
  const many = await layerOf(
    Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`file${index}`, ""])),
  );
  const error = await rejection(stores.job("one").store.ingest(imageOf([many], undefined), quiet, never));
  assert.match(error.message, "more than 50 files (maxLayerFiles)");
});

test("refuses more layers, and a larger configuration, than the settings allow", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection, {
    settings: { maxLayers: 2, maxConfigBytes: 1024 },
  });
  const { store } = stores.job("one");
  const layer = await layerOf({ "a": "1" });
  const tall = await rejection(store.ingest(imageOf([layer, layer, layer], undefined), quiet, never));
  assert.match(tall.message, "image has 3 layers, and maxLayers is 2");
  const large = imageOf([layer], undefined, {
    config: Buffer.from(JSON.stringify({ pad: "x".repeat(2000) })),
  });
  assert.match((await rejection(store.ingest(large, quiet, never))).message, "maxConfigBytes is 1024");
  assert.equal(large.reads, []);
});

test("gives a digest that another containerd namespace has only for the bytes", async (undo) => {
  const connection = await privateContainerd(undo);
  const secret = await layerOf({ "secret": "of another" });
  await (await TestStores.open(undo, connection)).job("one").store
    .ingest(imageOf([secret], "registry.test/private"), quiet, never);
  const other = new ContainerdConnection({ address: connection.address, namespace: "other" });
  undo.add("other connection", () => other.close());
  const thief = imageOf([secret], "registry.test/private");
  thief.blobs.delete(secret.descriptor.digest);
  await rejection((await TestStores.open(undo, other)).job("two").store.ingest(thief, quiet, never));
});

test("sweeps what a killed daemon left, and leaves live jobs alone", async (undo) => {
  const connection = await privateContainerd(undo);
  const before = await TestStores.open(undo, connection);
  await before.job("dead").lease.ensure();
  await before.job("live").lease.ensure();
  const layer = await layerOf({ "a": "1" });
  await before.job("live").store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
  const kept = await contents(connection);
  // What an ingest has made when its daemon is killed in the middle.
  const lease = "berth-ingest-dead-1-1";
  await connection.leases.create({ id: lease, labels: { "berth/ingest": "dead" } });
  const key = "berth-unpack-half";
  await connection.snapshots.prepare(
    { snapshotter: "overlayfs", key, parent: layer.diffId },
    underLease(lease),
  );
  await TestStores.open(undo, connection, { liveJobs: ["live"] });
  assert.equal(await contents(connection), { ...kept, leases: [cacheLeaseId, jobLeaseId("live")] });
});

test("fails an ingest as unavailable when containerd dies under it, and stores the image when it is back", async (undo) => {
  const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const layer = await layerOf({ "a": "x".repeat(100_000) });
  const source = imageOf([layer], "registry.test/app");
  const restarted = new Promise<void>((resolve) => connection.onRestart(resolve));
  source.gate = () => {
    if (!source.reads.includes(layer.descriptor.digest)) return;
    source.gate = () => {};
    process.kill(supervisor.pid as number, "SIGKILL");
    return restarted;
  };
  const error = await rejection(store.ingest(source, quiet, never));
  assert.is((error as ApiError).kind, "unavailable", error.stack);
  await restarted;
  await eventually("the broken ingest's lease to go", async () => {
    const { leases } = await contents(connection);
    return !leases.some((id) => id.startsWith("berth-ingest"));
  });
  await store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
});

test("waits, when a job closes, for the ingest that its end breaks off", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  const closing = new AbortController();
  const { store, close } = stores.job("one", { signal: closing.signal });
  const layer = await layerOf({ "a": "1" });
  const source = imageOf([layer], "registry.test/app");
  source.gate = () => {
    if (source.reads.includes(layer.descriptor.digest)) closing.abort(new Error("job one is closing"));
  };
  const broken = rejection(store.ingest(source, quiet, never));
  assert.is((await broken).message, "job one is closing");
  await close();
  assert.equal(await contents(connection), { blobs: [], snapshots: [], leases: [cacheLeaseId], writes: [] });
});

test("names chains as the OCI image specification does", () => {
  const [a, b] = [sha256(Buffer.from("a")), sha256(Buffer.from("b"))];
  assert.equal(chainIds([]), []);
  assert.equal(chainIds([a, b]), [a, sha256(Buffer.from(`${a} ${b}`))]);
});
