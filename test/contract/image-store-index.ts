/** What every ImageStore must do with an image's index and attestations. */
import { assert, rejection } from "../support/test.ts";
import {
  attestationOf,
  imageOf,
  indexed,
  indexOf,
  layerOf,
  manifestOf,
  sha256,
} from "./image-store-fixtures.ts";
import { type Behaviour, readAll, refused, take } from "./image-store-harness.ts";

/** An image of one layer behind an index with one attestation. */
async function attested(origin: string | undefined, text = "hello") {
  const source = imageOf([await layerOf({ "file": text })], origin);
  return indexed(source, [attestationOf(source, [`{"provenance":"of ${text}"}`, `{"sbom":"of ${text}"}`])]);
}

export function indexBehaviours(behaviour: Behaviour): void {
  behaviour("keeps the index and the attestations with the image, and gives them back", async (engine) => {
    const store = await engine.openJob("one");
    for (const origin of ["registry.test/app", undefined]) {
      const source = await attested(origin, `for ${origin}`);
      const image = await take(store, source);
      assert.is(image.origin, origin);
      assert.is(image.index?.digest, source.index?.digest);
      assert.equal(JSON.parse(JSON.stringify(image)), image);
      const [attestation] = image.attestations!;
      for (
        const blob of [image.index!, attestation!.manifest, attestation!.config, ...attestation!.layers]
      ) {
        assert.is(sha256(await readAll(store, blob)), blob.digest);
      }
    }
  });

  behaviour("says nothing of an index when there is none", async (engine) => {
    const image = await take(await engine.openJob("one"), imageOf([], "registry.test/app"));
    assert.not("index" in image);
    assert.not("attestations" in image);
  });

  behaviour("reads no attestation again that the same origin served to another job", async (engine) => {
    const first = await take(await engine.openJob("one"), await attested("registry.test/app"));
    const again = await attested("registry.test/app");
    const two = await engine.openJob("two");
    assert.equal(await take(two, again), first);
    assert.equal(again.reads, []);
    assert.is(sha256(await readAll(two, first.index!)), first.index?.digest);
  });

  behaviour("reads the attestations alone when the image came before without them", async (engine) => {
    const store = await engine.openJob("one");
    const source = await attested("registry.test/app");
    const bare = await attested("registry.test/app");
    bare.index = bare.attestations = undefined;
    await take(store, bare);
    await take(store, source);
    const [{ config, layers }] = source.attestations as [NonNullable<typeof source.attestations>[number]];
    assert.equal(source.reads.sort(), [config, ...layers].map(({ digest }) => digest).sort());
  });

  behaviour("keeps an image under two indexes", async (engine) => {
    const store = await engine.openJob("one");
    const source = await attested("registry.test/app");
    const first = await take(store, source);
    const other = await take(store, indexed(source, [], [first.configBlob]));
    assert.is.not(other.index?.digest, first.index?.digest);
    for (const { index } of [first, other]) {
      assert.is(sha256(await readAll(store, index!)), index?.digest);
    }
  });

  behaviour("lets another origin have an attestation only when it brings the bytes", async (engine) => {
    const owner = await attested("registry.test/private");
    const [attestation] = owner.attestations!;
    await take(await engine.openJob("one"), owner);
    const two = await engine.openJob("two");
    const bait = imageOf([await layerOf({ "bait": "" })], "hostile.test/thief");
    const error = await rejection(take(two, indexed(bait, [attestation!])));
    assert.match(error.message, attestation!.config.digest);
    bait.blobs.set(attestation!.config.digest, owner.blobs.get(attestation!.config.digest)!);
    const further = await rejection(take(two, indexed(bait, [attestation!])));
    assert.match(further.message, attestation!.layers[0]!.digest);
  });

  behaviour("does not let an attestation pass for an image, or give a right to one", async (engine) => {
    const secret = imageOf([await layerOf({ "secret": "job one's own" })], "registry.test/private");
    await take(await engine.openJob("one"), secret);
    const two = await engine.openJob("two");
    const bait = imageOf([await layerOf({ "bait": "" })], "hostile.test/thief");
    const { manifest, config, layers } = secret;
    await rejection(take(two, indexed(bait, [{ manifest, config, layers }])));
    const thief = imageOf([], "hostile.test/thief");
    await rejection(take(two, Object.assign(thief, { manifest, config, layers })));
  });

  behaviour("refuses an index that is not the image's", async (engine) => {
    const store = await engine.openJob("one");
    const refuse = async (change: (source: Awaited<ReturnType<typeof attested>>) => void, words: string) => {
      const source = await attested("registry.test/app");
      change(source);
      refused(await rejection(take(store, source)), words);
      assert.equal(source.reads, []);
    };
    await refuse((source) => source.index = indexOf([]), "does not list the manifest");
    await refuse((source) => source.index = indexOf([source.manifest]), "does not list the manifest");
    await refuse((source) => source.index = undefined, "no index lists them");
    await refuse((source) => {
      source.index = { ...source.index!, digest: sha256(Buffer.from("another")) };
    }, "other bytes than its digest says");
    await refuse((source) => {
      source.index = { ...source.index!, bytes: Buffer.from("[") };
    }, "other bytes than its digest says");
  });

  behaviour("refuses attestations that lie, and more than anybody needs", async (engine) => {
    const store = await engine.openJob("one");
    const source = await attested("registry.test/app");
    const [honest] = source.attestations!;
    const liar = { ...honest!, layers: [source.config] };
    refused(await rejection(take(store, indexed(source, [liar]))), "other layers than the image has");
    const nine = Array.from({ length: 9 }, (_, at) => attestationOf(source, [`${at}`]));
    refused(await rejection(take(store, indexed(source, nine))), "9 attestations; at most 8");
    const corrupt = attestationOf(source, ["true"]);
    source.blobs.set(corrupt.layers[0]!.digest, Buffer.from("fals"));
    refused(await rejection(take(store, indexed(source, [corrupt]))), "other bytes than its digest says");
    await take(store, indexed(source, [honest!]));
  });

  behaviour("knows the manifests that an origin served, and tells nobody else", async (engine) => {
    const store = await engine.openJob("one");
    const source = await attested("registry.test/app");
    const documents = [source.manifest, source.index!, source.attestations![0]!.manifest];
    assert.is(await store.knownManifest("registry.test/app", source.manifest.digest), undefined);
    await take(store, source);
    const two = await engine.openJob("two");
    for (const { digest } of documents) {
      const bytes = await two.knownManifest("registry.test/app", digest);
      assert.is(bytes && sha256(bytes), digest);
      assert.is(await two.knownManifest("other.test/app", digest), undefined);
    }
  });

  behaviour("knows no manifest of an archive", async (engine) => {
    const store = await engine.openJob("one");
    const source = await attested(undefined);
    await take(store, source);
    assert.is(await store.knownManifest("registry.test/app", source.manifest.digest), undefined);
    assert.is(await store.knownManifest("", source.manifest.digest), undefined);
  });

  behaviour("does not take a known manifest for a whole image", async (engine) => {
    const secret = await layerOf({ "secret": "job one's own" });
    const owner = imageOf([secret], "registry.test/private");
    await take(await engine.openJob("one"), owner);
    const two = await engine.openJob("two");
    // The thief has the manifest's bytes and serves them as an attestation's, which makes them known.
    const bait = imageOf([await layerOf({ "bait": "" })], "hostile.test/thief");
    const { mediaType, digest, sizeBytes, bytes } = owner.manifest;
    const disguised = { mediaType, digest, sizeBytes };
    bait.blobs.set(digest, bytes);
    const attestation = { manifest: manifestOf(disguised, []), config: disguised, layers: [] };
    await take(two, indexed(bait, [attestation]));
    assert.ok(await two.knownManifest("hostile.test/thief", digest));
    const thief = imageOf([secret], "hostile.test/thief");
    thief.blobs.clear();
    await rejection(take(two, thief));
  });
}
