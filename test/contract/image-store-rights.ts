/** What every ImageStore must do about bytes that were served to a pull without credentials, and those that were not. */
import { assert, rejection } from "../support/test.ts";
import {
  attestationOf,
  type FakeSource,
  imageOf,
  indexed,
  type Layer,
  layerOf,
  sha256,
} from "./image-store-fixtures.ts";
import { type Behaviour, readAll, refused, take } from "./image-store-harness.ts";

/** An image that its origin serves to anybody. */
const publicImage = (layers: readonly Layer[], origin: string): FakeSource =>
  Object.assign(imageOf(layers, origin), { anonymous: true });

/** A source that names the blobs and has none of them. */
function claiming(layers: readonly Layer[], origin: string | undefined): FakeSource {
  const source = imageOf(layers, origin);
  source.blobs.clear();
  return source;
}

export function rightsBehaviours(behaviour: Behaviour): void {
  behaviour("lets every origin have what somebody served without credentials", async (engine) => {
    const layer = await layerOf({ "file": "public" });
    await take(await engine.openJob("one"), publicImage([layer], "registry.test/busybox"));
    const mirror = claiming([layer], "mirror.test/busybox");
    const image = await take(await engine.openJob("two"), mirror);
    assert.equal(mirror.reads, []);
    assert.is(image.origin, "mirror.test/busybox");
  });

  behaviour("reads, on top of what is public, only what is not", async (engine) => {
    const base = await layerOf({ "base": "public" });
    const own = await layerOf({ "own": "job two's" });
    await take(await engine.openJob("one"), publicImage([base], "registry.test/busybox"));
    const source = imageOf([base, own], "registry.test/private");
    await take(await engine.openJob("two"), source);
    assert.equal(source.reads.sort(), [source.config.digest, own.descriptor.digest].sort());
    // And what lies on top of it is not public for that.
    await rejection(take(await engine.openJob("three"), claiming([base, own], "hostile.test/thief")));
  });

  behaviour("lets an archive have nothing that it does not bring, public or not", async (engine) => {
    const layer = await layerOf({ "file": "public" });
    await take(await engine.openJob("one"), publicImage([layer], "registry.test/busybox"));
    await rejection(take(await engine.openJob("two"), claiming([layer], undefined)));
    const archive = imageOf([layer], undefined);
    await take(await engine.openJob("three"), archive);
    assert.ok(archive.reads.includes(layer.descriptor.digest));
  });

  behaviour("makes nothing public that only its archive brought", async (engine) => {
    const layer = await layerOf({ "file": "job one's own" });
    await take(await engine.openJob("one"), Object.assign(imageOf([layer], undefined), { anonymous: true }));
    await rejection(take(await engine.openJob("two"), claiming([layer], "hostile.test/thief")));
  });

  behaviour("makes a private layer public only when its bytes came without credentials", async (engine) => {
    const layer = await layerOf({ "file": "private first" });
    await take(await engine.openJob("one"), imageOf([layer], "registry.test/app"));
    const thief = () => take(jobOfThief, claiming([layer], "hostile.test/thief"));
    const jobOfThief = await engine.openJob("thief");
    await rejection(thief());
    // The same origin, now without credentials: nothing of the layer travels, so that nothing is proven.
    await take(await engine.openJob("two"), publicImage([layer], "registry.test/app"));
    await rejection(thief());
    // A manifest that names it is not the layer.
    const fails = publicImage([layer], "open.test/app");
    fails.blobs.delete(layer.descriptor.digest);
    await rejection(take(await engine.openJob("three"), fails));
    await rejection(thief());
    const open = publicImage([layer], "open.test/app");
    await take(await engine.openJob("four"), open);
    assert.ok(open.reads.includes(layer.descriptor.digest));
    await thief();
  });

  behaviour(
    "makes nothing public that was served with credentials, or that turned out wrong",
    async (engine) => {
      const layer = await layerOf({ "file": "job one's own" });
      await take(await engine.openJob("one"), imageOf([layer], "registry.test/app"));
      const wrong = publicImage([layer], "open.test/app");
      const corrupt = Buffer.from(layer.blob);
      corrupt[corrupt.length >> 1]! ^= 1;
      wrong.blobs.set(layer.descriptor.digest, corrupt);
      refused(await rejection(take(await engine.openJob("two"), wrong)), "other bytes than its digest says");
      await rejection(take(await engine.openJob("three"), claiming([layer], "hostile.test/thief")));
    },
  );

  behaviour("does not let public bytes give a right to what a configuration says of them", async (engine) => {
    const secret = await layerOf({ "secret": "job one's own" });
    const open = await layerOf({ "bait": "public" });
    await take(await engine.openJob("one"), imageOf([secret], "registry.test/private"));
    await take(await engine.openJob("two"), publicImage([open], "registry.test/busybox"));
    const thief = imageOf([open], "hostile.test/thief", { diffIds: [secret.diffId] });
    refused(await rejection(take(await engine.openJob("three"), thief)), secret.diffId);
  });

  behaviour("believes no size, be the bytes there or not", async (engine) => {
    const layer = await layerOf({ "file": "public" });
    await take(await engine.openJob("one"), publicImage([layer], "registry.test/busybox"));
    const lie = (sizeBytes: number) => ({ ...layer, descriptor: { ...layer.descriptor, sizeBytes } });
    const two = await engine.openJob("two");
    for (const sizeBytes of [layer.blob.length - 1, layer.blob.length + 1]) {
      for (const origin of ["registry.test/busybox", "other.test/busybox", undefined]) {
        await rejection(take(two, imageOf([lie(sizeBytes)], origin)));
      }
    }
    for (const sizeBytes of [-1, 0.5, NaN, 2 ** 60]) {
      refused(await rejection(take(two, imageOf([lie(sizeBytes)], "registry.test/busybox"))), "");
    }
  });

  behaviour("shares an index and attestations that are public, manifests included", async (engine) => {
    const make = (origin: string) => {
      const source = publicImage([layer], origin);
      return indexed(source, [attestationOf(source, ["provenance"])]);
    };
    const layer = await layerOf({ "file": "public" });
    await take(await engine.openJob("one"), make("registry.test/busybox"));
    const mirror = make("mirror.test/busybox");
    mirror.blobs.clear();
    const two = await engine.openJob("two");
    assert.ok(await two.knownManifest("mirror.test/busybox", mirror.manifest.digest));
    assert.ok(await two.knownManifest("mirror.test/busybox", mirror.index!.digest));
    const image = await take(two, mirror);
    assert.equal(mirror.reads, []);
    await readAll(two, image.attestations![0]!.layers[0]!);
  });

  behaviour("keeps the true layer intact when others lie about it, by pull and by load", async (engine) => {
    const real = await layerOf({ "bin/": "", "bin/busybox": "true" });
    const evil = await layerOf({ "bin/": "", "bin/busybox": "evil" });
    for (const origin of ["hostile.test/app", undefined]) {
      const liar = await engine.openJob(`liar ${origin}`);
      const source = imageOf([evil], origin, { diffIds: [real.diffId] });
      refused(
        await rejection(take(liar, indexed(source, [attestationOf(source, ["trust me"])]))),
        "unpacks to",
      );
    }
    const honest = publicImage([real], "registry.test/busybox");
    const store = await engine.openJob("two");
    const image = await take(store, honest);
    assert.ok(honest.reads.includes(real.descriptor.digest));
    assert.ok(Buffer.from(real.blob).equals(await readAll(store, image.layers[0]!)));
    assert.equal(image.config.rootfs.diff_ids, [real.diffId]);
  });

  behaviour("has one unpacked layer for blobs that differ in nothing but compression", async (engine) => {
    const store = await engine.openJob("one");
    const layer = await layerOf({ "file": "same" });
    // Another gzip member without content: other bytes, the same tar.
    const blob = Buffer.concat([layer.blob, Buffer.from("H4sIAAAAAAAAAwMAAAAAAAAAAAA=", "base64")]);
    const again = { ...layer, blob, descriptor: { ...layer.descriptor, ...describe(blob) } };
    const [one, two] = [imageOf([layer], "registry.test/one"), imageOf([again], "registry.test/two")];
    const [first, second] = [await take(store, one), await take(store, two)];
    assert.ok(two.reads.includes(again.descriptor.digest));
    assert.equal(second.layerSizesBytes, first.layerSizesBytes);
  });
}

const describe = (blob: Uint8Array) => ({ digest: sha256(blob), sizeBytes: blob.length });
