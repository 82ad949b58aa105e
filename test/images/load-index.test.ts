/** Archives with several platforms, attestations, and both formats at once. */
import type { Undo } from "../../core/support/undo.ts";
import type { ImageSource } from "../../plugins/images/backend.ts";
import { hostPlatform } from "../../plugins/images/platform.ts";
import { assert, rejection, test } from "../support/test.ts";
import { linesOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { FakeStore } from "./fake-store.ts";
import { encode, manifestType, type SmallImage, smallImage, tarOf } from "./small-image.ts";

const indexType = "application/vnd.oci.image.index.v1+json";

/** A store that remembers what it was asked to bring in. */
class WatchedStore extends FakeStore {
  readonly sources: ImageSource[] = [];
  override async ingest(...args: Parameters<FakeStore["ingest"]>) {
    this.sources.push(args[0]);
    return await super.ingest(...args);
  }
}

/** Blobs of a layout, and descriptors of them. */
class Layout {
  readonly files: Record<string, Uint8Array> = { "oci-layout": encode({ imageLayoutVersion: "1.0.0" }) };

  put(bytes: Uint8Array, more: object = {}) {
    const digest = digestOf(bytes);
    this.files[`blobs/sha256/${digest.slice(7)}`] = bytes;
    return { mediaType: manifestType, digest, size: bytes.length, ...more };
  }

  image({ config, layers, source }: SmallImage, architecture: string) {
    for (const bytes of [config, ...layers]) this.put(bytes);
    return this.put(source.manifest.bytes, { platform: { os: "linux", architecture } });
  }

  attestation(manifest: { digest: string }) {
    const statement = this.put(encode({ predicate: manifest.digest }), {
      mediaType: "application/vnd.in-toto+json",
    });
    const config = this.put(encode({ attests: manifest.digest }));
    return this.put(encode({ schemaVersion: 2, mediaType: manifestType, config, layers: [statement] }), {
      platform: { os: "unknown", architecture: "unknown" },
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": manifest.digest,
      },
    });
  }

  tar(manifests: object[], more: Record<string, Uint8Array> = {}) {
    return tarOf({ ...this.files, "index.json": encode({ schemaVersion: 2, manifests }), ...more });
  }
}

const named = (name: string) => ({ annotations: { "io.containerd.image.name": name } });

async function loaded(undo: Undo, archive: Uint8Array, query: Record<string, string> = {}) {
  const store = new WatchedStore();
  const area = await openArea(undo, { store });
  const lines = await linesOf(area.load.load(request({ body: archive, query: { quiet: "1", ...query } })));
  return { area, lines, sources: store.sources };
}

const foreign = hostPlatform().architecture === "s390x" ? "ppc64le" : "s390x";

async function twoPlatforms() {
  const layout = new Layout();
  const [mine, other] = [await smallImage(["mine"]), await smallImage(["other"])];
  const listed = [layout.image(other, foreign), layout.image(mine, hostPlatform().architecture)];
  const attestations = listed.map((each) => layout.attestation(each));
  const bytes = encode({ schemaVersion: 2, mediaType: indexType, manifests: [...listed, ...attestations] });
  const index = layout.put(bytes, { mediaType: indexType, ...named("docker.io/library/app:1") });
  return { layout, mine, other, index, attestations };
}

test("of an index's images takes the host's, with the index and its attestation", async (undo) => {
  const { layout, mine, index, attestations } = await twoPlatforms();
  const { area, lines, sources: [source] } = await loaded(undo, await layout.tar([index]));
  assert.equal(lines, [{ stream: "Loaded image: app:1\n" }]);
  assert.is(area.table.find("app:1").id, mine.id);
  assert.is(source!.index?.digest, index.digest);
  assert.is(source!.index?.mediaType, indexType);
  assert.equal(source!.attestations?.map(({ manifest }) => manifest.digest), [attestations[1]!.digest]);
});

test("takes the platform that was asked for, and no other", async (undo) => {
  const { layout, other, index } = await twoPlatforms();
  const archive = await layout.tar([index]);
  const platform = (architecture: string) => ({ platform: JSON.stringify({ os: "linux", architecture }) });
  const { area } = await loaded(undo, archive, platform(foreign));
  assert.is(area.table.find("app:1").id, other.id);
  assert.is(
    (await rejection(loaded(undo, archive, platform("mips64le")))).message,
    "the archive has no image for linux/mips64le",
  );
  assert.match(
    (await rejection(loaded(undo, archive, { platform: "x" }))).message,
    /^failed to parse platform/,
  );
});

test("a platform asked for counts in Docker's format too", async (undo) => {
  const image = await smallImage(["a"]);
  const archive = await tarOf({
    "manifest.json": encode([{ Config: "c", RepoTags: ["app:1"], Layers: ["0"] }]),
    c: image.config,
    0: image.tars[0]!,
  });
  const ask = (architecture: string) =>
    loaded(undo, archive, { platform: JSON.stringify({ os: "linux", architecture }) });
  assert.equal((await ask("amd64")).lines, [{ stream: "Loaded image: app:1\n" }]);
  assert.is((await rejection(ask("arm64"))).message, "the archive has no image for linux/arm64");
});

test("takes what there is when nothing is for the host", async (undo) => {
  const layout = new Layout();
  const image = await smallImage(["a"]);
  const entry = { ...layout.image(image, foreign), ...named("docker.io/library/app:1") };
  const { area } = await loaded(undo, await layout.tar([entry]));
  assert.is(area.table.find("app:1").id, image.id);
});

test("an index may list what the archive does not hold", async (undo) => {
  const { layout, mine, other, index } = await twoPlatforms();
  delete layout.files[`blobs/sha256/${other.source.manifest.digest.slice(7)}`];
  const { area, sources: [source] } = await loaded(undo, await layout.tar([index]));
  assert.is(area.table.find("app:1").id, mine.id);
  assert.is(source!.attestations?.length, 1);
});

test("takes a layout's manifests as they are, and names from both formats", async (undo) => {
  const layout = new Layout();
  const image = await smallImage(["a"]);
  const entry = { ...layout.image(image, hostPlatform().architecture), ...named("docker.io/library/app:1") };
  const blob = (bytes: Uint8Array) => `blobs/sha256/${digestOf(bytes).slice(7)}`;
  const list = [{ Config: blob(image.config), RepoTags: ["app:1", "app:2"], Layers: image.layers.map(blob) }];
  const { area, lines } = await loaded(undo, await layout.tar([entry], { "manifest.json": encode(list) }));
  assert.equal(lines, [{ stream: "Loaded image: app:1\n" }, { stream: "Loaded image: app:2\n" }]);
  assert.is(area.table.find("app:2").manifest.digest, image.source.manifest.digest);
});

test("says in Docker's words that a name leaves the image that had it", async (undo) => {
  const layout = new Layout();
  const [old, young] = [await smallImage(["old"]), await smallImage(["new"])];
  const area = await openArea(undo);
  const send = async (image: SmallImage) => {
    const entry = {
      ...layout.image(image, hostPlatform().architecture),
      ...named("docker.io/library/app:1"),
    };
    const body = await layout.tar([entry]);
    return await linesOf(area.load.load(request({ body, query: { quiet: "1" } })));
  };
  const line = { stream: "Loaded image: app:1\n" };
  assert.equal(await send(old), [line]);
  assert.equal(await send(old), [line]);
  assert.equal(await send(young), [
    { stream: `The image app:1 already exists, renaming the old one with ID ${old.id} to empty string\n` },
    line,
  ]);
  assert.is(area.table.find(old.id).id, old.id);
});

test("keeps the index and the attestations through save and load, byte for byte", async (undo) => {
  const { layout, index } = await twoPlatforms();
  const { area } = await loaded(undo, await layout.tar([index]));
  const saved = await savedBy(area, {});
  const { area: other } = await loaded(undo, saved);
  assert.ok(saved.equals(await savedBy(other, {})));
  const { index: kept, attestations = [], manifest } = other.table.find("app:1");
  assert.is(kept?.digest, index.digest);
  assert.is(attestations.length, 1);
  const platform = JSON.stringify({ os: "linux", architecture: hostPlatform().architecture });
  const alone = (await savedBy(area, { platform })).toString("latin1");
  assert.match(alone, manifest.digest.slice(7));
  assert.not.match(alone, attestations[0]!.manifest.digest.slice(7));
});

async function savedBy({ save }: Awaited<ReturnType<typeof openArea>>, query: Record<string, string>) {
  const reply = await save.one(request({ name: "app:1", query }));
  if (reply.kind !== "stream") throw new Error(`expected a stream, got ${reply.kind}`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reply.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
