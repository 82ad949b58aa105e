import { usedLabel } from "../../plugins/containerd/images/labels.ts";
import { cacheLeaseId } from "../../plugins/containerd/images/shared-images.ts";
import { jobLeaseId } from "../../plugins/containerd/lease.ts";
import {
  attestationOf,
  type FakeSource,
  gzippedLayer,
  imageOf,
  indexed,
  layerOf,
  manifestOf,
  plainLayer,
  tarOf,
} from "../contract/image-store-fixtures.ts";
import { never, quiet, readAll } from "../contract/image-store-harness.ts";
import { assert, eventually, test } from "../support/test.ts";
import { contents } from "./store-contents.ts";
import { privateContainerd } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const origin = "registry.test/app";

/** An image with an attestation, and everything that must be there for it. */
async function attested(text: string, from: string | undefined = origin) {
  const source = imageOf([await layerOf({ "file": text })], from);
  const attestation = attestationOf(source, [`provenance of ${text}`]);
  indexed(source, [attestation]);
  return { source, attestation, blobs: blobsOf(source) };
}

function blobsOf({ manifest, config, layers, index, attestations = [] }: FakeSource): string[] {
  const all = [
    ...[{ manifest, config, layers }, ...attestations].flatMap((each) => [
      each.manifest,
      each.config,
      ...each.layers,
    ]),
    ...(index ? [index] : []),
  ];
  return [...new Set(all.map(({ digest }) => digest))].sort();
}

test("holds the index and the attestations for the job alone, and lets go of all of it", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const { source, blobs } = await attested("a");
  const image = await store.ingest(source, quiet, never);
  await connection.leases.delete({ id: cacheLeaseId, sync: true });
  assert.equal((await contents(connection)).blobs, blobs);
  await store.release(image);
  await collect(connection);
  assert.equal((await contents(connection)).blobs, []);
  assert.equal((await contents(connection)).snapshots, []);
});

test("holds them in the cache, by the image's manifest, when the job is gone", async (undo) => {
  const connection = await privateContainerd(undo);
  const one = (await TestStores.open(undo, connection)).job("one");
  const { source, blobs } = await attested("a");
  await one.store.ingest(source, quiet, never);
  await one.close();
  await collect(connection);
  assert.equal((await contents(connection)).blobs, blobs);
  const { resources } = await connection.leases.listResources({ id: cacheLeaseId });
  assert.equal(resources.map(({ id }) => id), [source.manifest.digest]);
  await connection.leases.deleteResource({
    id: cacheLeaseId,
    resource: { type: "content", id: source.manifest.digest },
  });
  await collect(connection);
  assert.equal((await contents(connection)).blobs, []);
});

test("keeps nothing of an archive's index and attestations when its job closes", async (undo) => {
  const connection = await privateContainerd(undo);
  const one = (await TestStores.open(undo, connection)).job("one");
  const { source, blobs } = await attested("a", undefined);
  await one.store.ingest(Object.assign(source, { origin: undefined }), quiet, never);
  assert.equal((await contents(connection)).blobs, blobs);
  await one.close();
  assert.equal(await contents(connection), { blobs: [], snapshots: [], leases: [cacheLeaseId], writes: [] });
});

test("keeps an index for one platform of a job when the other is released", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const [amd, arm] = [
    imageOf([await layerOf({ "file": "amd64" })], origin),
    imageOf([await layerOf({ "file": "arm64" })], origin),
  ];
  indexed(amd, [], [arm.manifest]);
  arm.index = amd.index;
  const first = await store.ingest(amd, quiet, never);
  const second = await store.ingest(arm, quiet, never);
  await connection.leases.delete({ id: cacheLeaseId, sync: true });
  await store.release(first);
  await collect(connection);
  assert.equal((await contents(connection)).blobs, blobsOf(arm));
  await store.release(second);
  await collect(connection);
  assert.equal((await contents(connection)).blobs, []);
});

test("keeps an image that came by two manifests until both are released", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const tar = await tarOf({ "file": "the same" });
  const [packed, plain] = [imageOf([gzippedLayer(tar)], undefined), imageOf([plainLayer(tar)], undefined)];
  const first = await store.ingest(packed, quiet, never);
  const second = await store.ingest(plain, quiet, never);
  assert.is(first.id, second.id);
  await store.release(first);
  await collect(connection);
  assert.equal((await contents(connection)).blobs, blobsOf(plain));
  await store.release(second);
  await collect(connection);
  assert.equal(await contents(connection), {
    blobs: [],
    snapshots: [],
    leases: [cacheLeaseId, jobLeaseId("one")],
    writes: [],
  });
});

test("keeps a job's index when another job pulls the image by a newer one", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  const { source } = await attested("a");
  const one = stores.job("one").store;
  const image = await one.ingest(source, quiet, never);
  const newer = (await attested("a")).source;
  indexed(newer, [attestationOf(newer, ["provenance of another build"])]);
  const two = stores.job("two");
  await two.store.ingest(newer, quiet, never);
  await two.close();
  await collect(connection);
  await readAll(one, image.index!);
  await readAll(one, image.attestations![0]!.layers[0]!);
  // The cache has the newest, and what the job holds.
  assert.equal(
    (await contents(connection)).blobs,
    [...new Set([...blobsOf(source), ...blobsOf(newer)])].sort(),
  );
  await one.release(image);
  await collect(connection);
  assert.equal((await contents(connection)).blobs, blobsOf(newer));
});

test("leaves nothing of an ingest whose attestation fails", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const before = await contents(connection);
  const { source, attestation } = await attested("a");
  source.blobs.delete(attestation.layers[0]!.digest);
  await store.ingest(source, quiet, never).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, attestation.layers[0]!.digest),
  );
  const { leases, ...after } = await contents(connection);
  assert.equal(after, { blobs: before.blobs, snapshots: [], writes: [] });
  assert.ok(leases.every((id) => !id.startsWith("berth-ingest")));
});

test("refuses more bytes of attestations than maxAttestationBytes, before it reads any", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection, { settings: { maxAttestationBytes: 2000 } });
  const { source } = await attested("a");
  const config = { mediaType: "x/y", digest: source.config.digest, sizeBytes: 10 ** 12 };
  indexed(source, [{ manifest: manifestOf(config, []), config, layers: [] }]);
  const error = await stores.job("one").store.ingest(source, quiet, never).catch((reason) => reason);
  assert.match(error.message, "maxAttestationBytes is 2000");
  assert.equal(source.reads, []);
});

test("writes down whom an image came from and when it was used last", async (undo) => {
  const connection = await privateContainerd(undo);
  const stores = await TestStores.open(undo, connection);
  const { source } = await attested("a");
  const labelsNow = async () =>
    (await connection.content.info({ digest: source.manifest.digest })).info!.labels;
  await stores.job("one").store.ingest(source, quiet, never);
  const first = await labelsNow();
  assert.ok(Math.abs(Date.now() - Date.parse(first[usedLabel]!)) < 10_000);
  assert.equal(namesIn(first), [origin]);
  await stores.job("two").store.ingest((await attested("a")).source, quiet, never);
  await eventually("the second use", async () => (await labelsNow())[usedLabel]! > first[usedLabel]!);
  await stores.job("three").store.ingest((await attested("a", "mirror.test/app")).source, quiet, never);
  assert.equal(namesIn(await labelsNow()), ["mirror.test/app", origin]);
});

test("takes an origin whose name is longer than a label may be", async (undo) => {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const long = `registry.test/${"a".repeat(5000)}`;
  await store.ingest((await attested("a", long)).source, quiet, never);
  const { source } = await attested("a", long);
  await store.ingest(source, quiet, never);
  assert.equal(source.reads, []);
});

const namesIn = (labels: Record<string, string>) =>
  Object.keys(labels).filter((name) => name.startsWith("berth/name.")).map((name) => labels[name]).sort();

/** Has containerd collect what nothing holds. */
async function collect({ leases }: Awaited<ReturnType<typeof privateContainerd>>): Promise<void> {
  await leases.create({ id: "collect" });
  await leases.delete({ id: "collect", sync: true });
}
