/**
 * What every ImageStore must do, whatever engine is behind it. A test file of an implementation calls
 * {@link imageStoreContract} and so runs all of it.
 */
import type { Undo } from "../../core/support/undo.ts";
import type { Descriptor, LayerProgress } from "../../plugins/images/backend.ts";
import { assert, rejection, test } from "../support/test.ts";
import { gzippedLayer, imageOf, layerOf, plainLayer, sha256, tarOf } from "./image-store-fixtures.ts";
import { indexBehaviours } from "./image-store-index.ts";
import { rightsBehaviours } from "./image-store-rights.ts";
import { type ImageStoreHarness, never, quiet, readAll, refused, take } from "./image-store-harness.ts";

/** Registers the suite's tests. @param name of the implementation, put before each sentence */
export function imageStoreContract(name: string, start: (undo: Undo) => Promise<ImageStoreHarness>): void {
  const behaviour = (sentence: string, body: (engine: ImageStoreHarness) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (undo) => body(await start(undo)));
  indexBehaviours(behaviour);
  rightsBehaviours(behaviour);

  behaviour("stores an image and says what it is", async (engine) => {
    const store = await engine.openJob("one");
    const layers = [
      await layerOf({ "bin/": "", "bin/sh": "#!" }),
      await layerOf({ "etc/": "", "etc/motd": "hello" }),
    ];
    const source = imageOf(layers, "registry.test/app");
    const image = await take(store, source);
    assert.is(image.id, source.config.digest);
    const { mediaType, digest, sizeBytes } = source.manifest;
    assert.equal(image.manifest, { mediaType, digest, sizeBytes });
    assert.equal(image.config.config?.Cmd, ["sh"]);
    assert.equal(image.config.rootfs.diff_ids, layers.map((layer) => layer.diffId));
    assert.equal(image.layers, source.layers);
    assert.ok(image.sizeBytes > 0);
    assert.equal(JSON.parse(JSON.stringify(image)), image);
  });

  behaviour("stores an image without layers", async (engine) => {
    const image = await take(await engine.openJob("one"), imageOf([], "registry.test/scratch"));
    assert.is(image.sizeBytes, 0);
  });

  behaviour(
    "stores an image that has the same layer twice, and one that travels uncompressed",
    async (engine) => {
      const empty = await layerOf({ "empty/": "" });
      const plain = plainLayer(await tarOf({ "plain": "text" }));
      const source = imageOf([empty, plain, empty], undefined);
      assert.is((await take(await engine.openJob("one"), source)).layers.length, 3);
    },
  );

  behaviour("tells how each layer is getting on, ending in done", async (engine) => {
    const store = await engine.openJob("one");
    const source = imageOf([await layerOf({ "file": "x".repeat(200_000) })], "registry.test/app");
    const seen: LayerProgress[] = [];
    await store.ingest(source, (layer, progress) => {
      assert.is(layer.digest, source.layers[0]?.digest);
      seen.push(progress);
    }, never);
    const states = seen.map((progress) => progress.state);
    assert.is(states[0], "waiting");
    assert.is(states.at(-1), "done");
    assert.ok(
      states.includes("downloading") && states.includes("downloaded") && states.includes("extracting"),
    );
    const last = seen.filter((progress) => progress.state === "downloading").at(-1);
    assert.equal(last, {
      state: "downloading",
      current: source.layers[0]?.sizeBytes,
      total: source.layers[0]?.sizeBytes,
    });
  });

  behaviour("reads nothing when the same origin served the same image to another job", async (engine) => {
    const layers = [await layerOf({ "shared": "1" }), await layerOf({ "shared2": "2" })];
    const first = await take(await engine.openJob("one"), imageOf(layers, "registry.test/app"));
    const again = imageOf(layers, "registry.test/app");
    const states: string[] = [];
    const second = await (await engine.openJob("two")).ingest(
      again,
      (_, { state }) => states.push(state),
      never,
    );
    assert.equal(second, first);
    assert.equal(again.reads, []);
    assert.equal(states, ["exists", "exists"]);
  });

  behaviour("reads only what another image of the same origin does not have", async (engine) => {
    const store = await engine.openJob("one");
    const base = await layerOf({ "base": "1" });
    await take(store, imageOf([base], "registry.test/app"));
    const onTop = await layerOf({ "top": "2" });
    const source = imageOf([base, onTop], "registry.test/app");
    await take(store, source);
    assert.equal(source.reads.sort(), [source.config.digest, onTop.descriptor.digest].sort());
  });

  behaviour("lets another origin have a layer only when it brings the bytes", async (engine) => {
    const secret = await layerOf({ "secret": "job one's own" });
    await take(await engine.openJob("one"), imageOf([secret], "registry.test/private"));
    const two = await engine.openJob("two");
    const thief = imageOf([secret], "hostile.test/thief");
    thief.blobs.delete(secret.descriptor.digest);
    const error = await rejection(take(two, thief));
    assert.match(error.message, secret.descriptor.digest);
    const owner = imageOf([secret], "mirror.test/private");
    await take(two, owner);
    assert.ok(owner.reads.includes(secret.descriptor.digest));
  });

  behaviour("lets an archive have a layer only when it brings the bytes, each time", async (engine) => {
    const secret = await layerOf({ "secret": "job one's own" });
    await take(await engine.openJob("one"), imageOf([secret], "registry.test/private"));
    const two = await engine.openJob("two");
    const thief = imageOf([secret], undefined);
    thief.blobs.delete(secret.descriptor.digest);
    await rejection(take(two, thief));
    for (let time = 0; time < 2; time++) {
      const archive = imageOf([secret], undefined);
      await take(two, archive);
      assert.ok(archive.reads.includes(secret.descriptor.digest));
    }
  });

  behaviour("does not take a layer's place for the layer: a diff ID alone gives no right", async (engine) => {
    const secret = await layerOf({ "secret": "job one's own" });
    await take(await engine.openJob("one"), imageOf([secret], "registry.test/private"));
    // Honest bytes of another layer, and a configuration that claims they are the secret one.
    const bait = await layerOf({ "bait": "" });
    const thief = imageOf([bait], "hostile.test/thief", { diffIds: [secret.diffId] });
    refused(await rejection(take(await engine.openJob("two"), thief)), secret.diffId);
  });

  behaviour(
    "does not take a manifest for the image: one served as a layer gives no right",
    async (engine) => {
      const secret = await layerOf({ "secret": "job one's own" });
      const owner = imageOf([secret], "registry.test/private");
      await take(await engine.openJob("one"), owner);
      const two = await engine.openJob("two");
      const { mediaType } = secret.descriptor;
      const { bytes, digest, sizeBytes } = owner.manifest;
      const disguised = { blob: bytes, diffId: secret.diffId, descriptor: { mediaType, digest, sizeBytes } };
      await rejection(take(two, imageOf([disguised], "hostile.test/thief")));
      const thief = imageOf([secret], "hostile.test/thief");
      thief.blobs.clear();
      await rejection(take(two, thief));
    },
  );

  behaviour(
    "refuses a layer that unpacks to something else, and keeps its place free for the true one",
    async (engine) => {
      const real = await layerOf({ "bin/": "", "bin/tool": "good" });
      const evil = await layerOf({ "bin/": "", "bin/tool": "evil" });
      const lie = imageOf([evil], "hostile.test/app", { diffIds: [real.diffId] });
      refused(await rejection(take(await engine.openJob("liar"), lie)), "unpacks to");
      const honest = imageOf([real], "registry.test/app");
      const image = await take(await engine.openJob("two"), honest);
      assert.equal(image.config.rootfs.diff_ids, [real.diffId]);
      assert.ok(honest.reads.includes(real.descriptor.digest));
    },
  );

  behaviour("refuses a blob with other bytes", async (engine) => {
    const layer = await layerOf({ "file": "content" });
    const source = imageOf([layer], "registry.test/app");
    const corrupt = Buffer.from(layer.blob);
    corrupt[corrupt.length >> 1]! ^= 1;
    source.blobs.set(layer.descriptor.digest, corrupt);
    refused(await rejection(take(await engine.openJob("one"), source)), "other bytes than its digest says");
    await take(await engine.openJob("two"), imageOf([layer], "registry.test/app"));
  });

  behaviour("refuses a blob that is longer than its manifest says", async (engine) => {
    const layer = await layerOf({ "file": "content" });
    const source = imageOf([layer], "registry.test/app");
    source.blobs.set(layer.descriptor.digest, Buffer.concat([layer.blob, Buffer.alloc(4_000_000)]));
    refused(await rejection(take(await engine.openJob("one"), source)), "more than the");
  });

  behaviour("gives up a blob that always ends early", async (engine) => {
    const layer = await layerOf({ "file": "content" });
    const source = imageOf([layer], "registry.test/app");
    source.blobs.set(layer.descriptor.digest, layer.blob.subarray(0, 10));
    assert.match((await rejection(take(await engine.openJob("one"), source))).message, "ended after 10 of");
  });

  behaviour("gives up a blob whose source broke, and takes it when asked again", async (engine) => {
    const store = await engine.openJob("one");
    const layer = await layerOf({ "file": "content" });
    const source = imageOf([layer], "registry.test/app");
    source.breaks = 2;
    for (let time = 0; time < 2; time++) {
      assert.match((await rejection(take(store, source))).message, "connection reset");
    }
    await take(store, source);
  });

  behaviour("refuses what is no tar, however well its digests fit", async (engine) => {
    const layer = gzippedLayer(Buffer.from("no tar at all, ".repeat(100)));
    refused(
      await rejection(take(await engine.openJob("one"), imageOf([layer], "registry.test/app"))),
      "cannot unpack",
    );
  });

  behaviour("refuses a configuration that is none or does not fit its manifest", async (engine) => {
    const store = await engine.openJob("one");
    const layer = await layerOf({ "file": "1" });
    const refuse = async (lies: Parameters<typeof imageOf>[2], words: string) =>
      refused(await rejection(take(store, imageOf([layer], "registry.test/app", lies))), words);
    await refuse({ diffIds: [] }, "0 diff IDs, and its manifest 1 layers");
    await refuse({ diffIds: ["sha256:../../etc"] }, "no digests");
    await refuse({ config: Buffer.from("{]") }, "not JSON");
    await refuse({ config: Buffer.from("[1]") }, "no JSON object");
    await refuse({ config: Buffer.from(`{"rootfs":{}}`) }, "names no platform");
  });

  behaviour(
    "refuses layers of a kind that cannot be unpacked, digests that are none, and a false manifest",
    async (engine) => {
      const store = await engine.openJob("one");
      const layer = await layerOf({ "file": "1" });
      const kind = (mediaType: string) =>
        imageOf([{ ...layer, descriptor: { ...layer.descriptor, mediaType } }], "r.test/a");
      refused(await rejection(take(store, kind("application/vnd.in-toto+json"))), "cannot be unpacked");
      const digest = (text: string) =>
        imageOf([{ ...layer, descriptor: { ...layer.descriptor, digest: text } }], "r.test/a");
      refused(await rejection(take(store, digest("sha256:abc"))), "no sha256 digest");
      const honest = imageOf([layer], "r.test/a");
      const manifest = { ...honest.manifest, digest: sha256(Buffer.from("another")) };
      refused(
        await rejection(take(store, Object.assign(honest, { manifest }))),
        "other bytes than its digest says",
      );
      const other = Object.assign(imageOf([layer], "r.test/a"), { layers: [] });
      refused(await rejection(take(store, other)), "other layers than the image has");
    },
  );

  behaviour(
    "stops when the signal fires, with its reason, and stores the image after all when asked again",
    async (engine) => {
      const store = await engine.openJob("one");
      const layer = await layerOf({ "file": "content" });
      const source = imageOf([layer], "registry.test/app");
      const stop = new AbortController();
      source.gate = () => {
        if (source.reads.includes(layer.descriptor.digest)) stop.abort(new Error("client gone"));
      };
      assert.is((await rejection(store.ingest(source, quiet, stop.signal))).message, "client gone");
      await take(store, imageOf([layer], "registry.test/app"));
    },
  );

  behaviour("reads a layer once when two jobs pull it at the same time, and tells both", async (engine) => {
    const layer = await layerOf({ "file": "content" });
    const states: string[][] = [[], []];
    const sources = states.map(() => imageOf([layer], "registry.test/app"));
    const bothSeeIt = () => states.every((seen) => seen.includes("downloading"));
    await Promise.all(sources.map(async (source, index) => {
      source.stalls = () => source.reads.includes(layer.descriptor.digest) && !bothSeeIt();
      const store = await engine.openJob(`job${index}`);
      await store.ingest(source, (_, { state }) => states[index]?.push(state), never);
    }));
    const reads = sources.flatMap((source) => source.reads).filter((digest) =>
      digest === layer.descriptor.digest
    );
    assert.is(reads.length, 1);
  });

  behaviour("goes on for one job when another, which had begun, gives up", async (engine) => {
    const [one, two] = [await engine.openJob("one"), await engine.openJob("two")];
    const layer = await layerOf({ "file": "content" });
    const [slow, quick] = [imageOf([layer], "registry.test/app"), imageOf([layer], "registry.test/app")];
    const stop = new AbortController();
    const reached = new Promise<void>((resolve) => {
      slow.gate = () => {
        if (!slow.reads.includes(layer.descriptor.digest)) return;
        resolve();
        return new Promise((release) => stop.signal.addEventListener("abort", () => release()));
      };
    });
    const given = rejection(one.ingest(slow, quiet, stop.signal));
    await reached;
    const second = take(two, quick);
    stop.abort(new Error("client gone"));
    assert.is((await given).message, "client gone");
    await second;
  });

  behaviour("gives back every byte of what it stored, from any offset", async (engine) => {
    const store = await engine.openJob("one");
    const layer = await layerOf({ "noise": Buffer.alloc(300_000, "noise ") });
    const source = imageOf([layer], "registry.test/app");
    const image = await take(store, source);
    const read = (blob: Descriptor, offset: number) => readAll(store, blob, offset);
    assert.is(sha256(await read(image.manifest, 0)), image.manifest.digest);
    assert.is(sha256(await read(image.configBlob, 0)), image.id);
    assert.ok(Buffer.from(layer.blob).equals(await read(image.layers[0]!, 0)));
    assert.ok(Buffer.from(layer.blob.subarray(100)).equals(await read(image.layers[0]!, 100)));
    await rejection(read({ ...image.manifest, digest: sha256(Buffer.from("nobody's")) }, 0));
  });

  behaviour("stores an image that is stored already, and releases it and unknown ones", async (engine) => {
    const store = await engine.openJob("one");
    const layer = await layerOf({ "file": "content" });
    const first = await take(store, imageOf([layer], "registry.test/app"));
    assert.equal(await take(store, imageOf([layer], "registry.test/app")), first);
    await store.release(first);
    await store.release(first);
    await take(store, imageOf([layer], "registry.test/app"));
  });
}
