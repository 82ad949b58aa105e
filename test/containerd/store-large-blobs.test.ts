/** Blobs that are large enough to be written as files: see `ingest-file.ts`. */
import { readdir } from "node:fs/promises";
import type { Undo } from "../../core/support/undo.ts";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { imageOf, plainLayer, sha256, tarOf } from "../contract/image-store-fixtures.ts";
import { never, quiet, readAll, refused } from "../contract/image-store-harness.ts";
import { assert, rejection, test } from "../support/test.ts";
import { contents } from "./store-contents.ts";
import { containerdDirectory, supervisorFor } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const largeLayer = async (text = "large") =>
  plainLayer(await tarOf({ "large": Buffer.alloc(5_000_000, text) }));

async function open(undo: Undo) {
  const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const isClean = async () => {
    assert.equal((await contents(connection)).writes, []);
    assert.equal((await contents(connection)).blobs, []);
    assert.equal(await readdir(supervisor.paths.ingest), []);
  };
  return { store, connection, isClean };
}

test("keeps a large blob as it came", async (undo) => {
  const { store } = await open(undo);
  const layer = await largeLayer();
  const image = await store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
  assert.is(sha256(await readAll(store, image.layers[0]!)), layer.descriptor.digest);
});

test("refuses a large blob with other bytes, and leaves nothing of it", async (undo) => {
  const { store, isClean } = await open(undo);
  const layer = await largeLayer();
  const source = imageOf([layer], "registry.test/app");
  const corrupt = Buffer.from(layer.blob);
  corrupt[corrupt.length >> 1]! ^= 1;
  source.blobs.set(layer.descriptor.digest, corrupt);
  refused(await rejection(store.ingest(source, quiet, never)), "other bytes than its digest says");
  await isClean();
});

test("leaves nothing of a large blob that is given up", async (undo) => {
  const { store, isClean } = await open(undo);
  const source = imageOf([await largeLayer()], "registry.test/app");
  const stop = new AbortController();
  let chunks = 0;
  source.gate = () => {
    if (++chunks === 40) stop.abort(new Error("client gone"));
  };
  assert.is((await rejection(store.ingest(source, quiet, stop.signal))).message, "client gone");
  await isClean();
});

test("sends large blobs to a containerd whose directory it does not know", async (undo) => {
  const { connection: { address } } = await open(undo);
  const connection = new ContainerdConnection({ address, namespace: "other" });
  undo.add("connection", () => connection.close());
  const { store } = (await TestStores.open(undo, connection)).job("one");
  const layer = await largeLayer();
  const image = await store.ingest(imageOf([layer], "registry.test/app"), quiet, never);
  assert.is(sha256(await readAll(store, image.layers[0]!)), layer.descriptor.digest);
});
