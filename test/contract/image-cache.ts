/**
 * What every ImageCache must do, whatever engine is behind it. A test file of an implementation calls
 * {@link imageCacheContract} and so runs all of it.
 */
import type { Undo } from "../../core/support/undo.ts";
import type { CachedImage, ImageCache, ImageStore } from "../../plugins/images/backend.ts";
import { assert, eventually, test } from "../support/test.ts";
import { imageOf, type Layer, layerOf } from "./image-store-fixtures.ts";

/** One engine with its jobs, for one test; closed by `undo`. */
export interface ImageCacheHarness {
  readonly cache: ImageCache;
  openJob(id: string): Promise<{ readonly store: ImageStore; close(): Promise<void> | void }>;
}

const never = new AbortController().signal;
const quiet = () => {};

/** Registers the suite's tests. @param name of the implementation, put before each sentence */
export function imageCacheContract(name: string, start: (undo: Undo) => Promise<ImageCacheHarness>): void {
  const behaviour = (sentence: string, body: (engine: ImageCacheHarness) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (undo) => body(await start(undo)));

  behaviour("lists what a job pulled, from where, who holds it, and what it takes", async (engine) => {
    assert.equal(await engine.cache.list(), []);
    const before = Date.now();
    const { digest, job } = await pull(engine, "one", "registry.test/app", [
      await layerOf({ "a": noise(1) }),
    ]);
    const [image] = await engine.cache.list();
    assert.is(image!.digest, digest);
    assert.equal(image!.origins, ["registry.test/app"]);
    assert.equal(image!.heldBy, ["one"]);
    assert.is(image!.pinned, false);
    assert.ok(sizeOf(image!) > 2 * 100_000);
    assert.is(new Set(image!.pieces.map(({ id }) => id)).size, image!.pieces.length);
    assert.ok(Math.abs(image!.lastUsed.getTime() - before) < 5_000);
    await job.close();
    assert.equal((await engine.cache.list()).map(({ heldBy }) => heldBy), [[]]);
  });

  behaviour("shows each origin that served an image, and each job that holds it", async (engine) => {
    const layers = [await layerOf({ "a": "1" })];
    await pull(engine, "two", "registry.test/b", layers);
    await pull(engine, "one", "registry.test/a", layers);
    const [image] = await engine.cache.list();
    assert.equal(image!.origins, ["registry.test/a", "registry.test/b"]);
    assert.equal(image!.heldBy, ["one", "two"]);
  });

  behaviour("has images of archives in no list", async (engine) => {
    const { store } = await engine.openJob("one");
    await store.ingest(imageOf([await layerOf({ "a": "1" })], undefined), quiet, never);
    assert.equal(await engine.cache.list(), []);
  });

  behaviour("gives images that share a layer the same piece for it", async (engine) => {
    const base = await layerOf({ "base": noise(2) });
    await pull(engine, "one", "registry.test/app", [base]);
    await pull(engine, "one", "registry.test/app", [base, await layerOf({ "top": "1" })]);
    const [small, large] = (await engine.cache.list()).sort((a, b) => a.pieces.length - b.pieces.length);
    const shared = small!.pieces.filter(({ id }) => large!.pieces.some((piece) => piece.id === id));
    assert.is(shared.length, 2);
    assert.ok(sum(shared) > 2 * 100_000);
  });

  behaviour("removes an image that nobody holds, and tells what that freed", async (engine) => {
    const layers = [await layerOf({ "a": noise(3) })];
    const { digest, job } = await pull(engine, "one", "registry.test/app", layers);
    await job.close();
    const [image] = await engine.cache.list();
    assert.equal(await engine.cache.remove([digest]), { removed: [digest], freedBytes: sizeOf(image!) });
    assert.equal(await engine.cache.list(), []);
    const again = imageOf(layers, "registry.test/app");
    await (await engine.openJob("two")).store.ingest(again, quiet, never);
    assert.is(again.reads.length, 2);
  });

  behaviour("keeps what another image shares with one that goes", async (engine) => {
    const base = await layerOf({ "base": noise(4) });
    const small = await pull(engine, "one", "registry.test/app", [base]);
    const large = await pull(engine, "one", "registry.test/app", [base, await layerOf({ "top": "1" })]);
    await Promise.all([small.job.close(), large.job.close()]);
    const { removed, freedBytes } = await engine.cache.remove([large.digest]);
    assert.equal(removed, [large.digest]);
    assert.ok(freedBytes > 0 && freedBytes < 100_000, `${freedBytes}`);
    assert.equal((await engine.cache.list()).map(({ digest }) => digest), [small.digest]);
  });

  behaviour("removes nothing that a live job holds, and no image it does not know", async (engine) => {
    const { digest, job, image } = await pull(engine, "one", "registry.test/app", [
      await layerOf({ "a": "1" }),
    ]);
    const nobody = `sha256:${"0".repeat(64)}`;
    assert.equal(await engine.cache.remove([digest, nobody]), { removed: [], freedBytes: 0 });
    assert.is((await engine.cache.list()).length, 1);
    await job.store.release(image);
    assert.equal((await engine.cache.remove([digest])).removed, [digest]);
  });

  behaviour("pins an image for no job, and keeps it until told otherwise", async (engine) => {
    const layers = [await layerOf({ "a": "1" })];
    const image = await engine.cache.pin(imageOf(layers, "registry.test/base"), quiet, never);
    const { digest } = image.manifest;
    assert.equal((await engine.cache.list()).map((each) => [each.pinned, each.heldBy]), [[true, []]]);
    assert.equal((await engine.cache.remove([digest])).removed, []);
    assert.equal(await engine.cache.keepPinned([image]), [image]);
    assert.is((await engine.cache.list())[0]!.pinned, true);
    const again = imageOf(layers, "registry.test/base");
    await (await engine.openJob("one")).store.ingest(again, quiet, never);
    assert.equal(again.reads, []);
    const other = await engine.cache.pin(imageOf([], "registry.test/other"), quiet, never);
    assert.equal(await engine.cache.keepPinned([other]), [other]);
    const pinned = (await engine.cache.list()).filter((each) => each.pinned);
    assert.equal(pinned.map((each) => each.digest), [other.manifest.digest]);
  });

  behaviour("forgets pins that are gone", async (engine) => {
    const image = await engine.cache.pin(imageOf([], "registry.test/base"), quiet, never);
    await engine.cache.keepPinned([]);
    assert.equal((await engine.cache.remove([image.manifest.digest])).removed, [image.manifest.digest]);
    assert.equal(await engine.cache.keepPinned([image]), []);
  });

  behaviour("moves an image's last use by a pull and by a touch", async (engine) => {
    const layers = [await layerOf({ "a": "1" })];
    const { digest } = await pull(engine, "one", "registry.test/app", layers);
    const lastUsed = async () => (await engine.cache.list())[0]!.lastUsed.getTime();
    const first = await lastUsed();
    await eventually("the clock", () => Date.now() > first);
    await engine.cache.touch([digest, `sha256:${"0".repeat(64)}`]);
    const second = await lastUsed();
    assert.ok(second > first);
    await eventually("the clock", () => Date.now() > second);
    await pull(engine, "two", "registry.test/app", layers);
    await eventually("the use to be noted", async () => await lastUsed() > second);
  });

  behaviour("measures its file system", async (engine) => {
    const { usedBytes, availableBytes } = await engine.cache.disk();
    assert.ok(usedBytes >= 0 && availableBytes > 0 && Number.isSafeInteger(usedBytes + availableBytes));
  });
}

async function pull(engine: ImageCacheHarness, jobId: string, origin: string, layers: readonly Layer[]) {
  const job = await engine.openJob(jobId);
  const image = await job.store.ingest(imageOf(layers, origin), quiet, never);
  return { digest: image.manifest.digest, image, job };
}

/** 100,000 bytes that do not compress, the same ones for the same number. */
function noise(seed: number): Uint8Array {
  const bytes = Buffer.alloc(100_000);
  let state = seed * 2_654_435_761 >>> 0;
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const sum = (pieces: CachedImage["pieces"]) => pieces.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
const sizeOf = ({ pieces }: CachedImage) => sum(pieces);
