import { createHash } from "node:crypto";
import { extract } from "tar-stream";
import { Query } from "../../core/kernel/request.ts";
import type { Reply } from "../../core/kernel/reply.ts";
import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { linesOf, openArea, request } from "./area.ts";
import { dockerArchive, smallImage } from "./small-image.ts";

interface Saved {
  readonly names: string[];
  readonly mtimes: Map<string, number>;
  text(name: string): string;
  // deno-lint-ignore no-explicit-any -- poked at, field by field
  json(name: string): any;
}

async function bytesOf(reply: Reply): Promise<Buffer> {
  if (reply.kind !== "stream") throw new Error(`expected a stream, got ${reply.kind}`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reply.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function unpacked(tar: Uint8Array): Promise<Saved> {
  const files = new Map<string, Buffer>();
  const mtimes = new Map<string, number>();
  const reader = extract();
  reader.end(Buffer.from(tar));
  for await (const entry of reader) {
    const parts: Uint8Array[] = [];
    for await (const part of entry as unknown as AsyncIterable<Uint8Array>) parts.push(part);
    files.set(entry.header.name, Buffer.concat(parts));
    mtimes.set(entry.header.name, entry.header.mtime!.getTime());
  }
  const text = (name: string) => files.get(name)?.toString() ?? `no ${name}`;
  return { names: [...files.keys()], mtimes, text, json: (name) => JSON.parse(text(name)) };
}

const blob = (digest: string) => `blobs/sha256/${digest.slice(7)}`;

/** An area with two images of one repository, and a third that has no name. */
async function withImages(undo: Undo) {
  const area = await openArea(undo);
  const images = {
    one: await smallImage(["base", "one"]),
    two: await smallImage(["base", "two"]),
    nameless: await smallImage(["nameless"]),
  };
  const archives = [
    await dockerArchive(images.one, ["app:1", "registry.test:5000/team/app:1"]),
    await dockerArchive(images.two, ["app:2"]),
    await dockerArchive(images.nameless, []),
  ];
  for (const body of archives) await linesOf(area.load.load(request({ body, query: { quiet: "1" } })));
  const save = async (...names: string[]) => {
    const query = new Query(new URLSearchParams(names.map((name) => ["names", name])));
    return await bytesOf(await area.save.several({ ...request(), query }));
  };
  return { area, images, save };
}

test("saves an image in both formats, each blob once", async (undo) => {
  const { area, images: { one } } = await withImages(undo);
  const saved = await unpacked(await bytesOf(await area.save.one(request({ name: "app:1" }))));
  const { manifest } = area.table.find("app:1");
  const layers = one.tars.map((tar) => blob(`sha256:${createHash("sha256").update(tar).digest("hex")}`));
  assert.equal(saved.names, [
    "oci-layout",
    "index.json",
    "manifest.json",
    "repositories",
    "blobs/",
    "blobs/sha256/",
    blob(manifest.digest),
    blob(one.id),
    ...layers,
  ]);
  assert.equal(saved.json("manifest.json"), [{ Config: blob(one.id), RepoTags: ["app:1"], Layers: layers }]);
  assert.equal(saved.json("index.json").manifests, [{
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.sizeBytes,
    annotations: {
      "io.containerd.image.name": "docker.io/library/app:1",
      "org.opencontainers.image.ref.name": "1",
    },
  }]);
  assert.equal(saved.json("repositories"), { app: { 1: layers[1]!.slice(13) } });
  assert.is(saved.text(blob(one.id)), Buffer.from(one.config).toString());
  assert.is(saved.mtimes.get(blob(one.id)), Date.parse("2024-01-02T03:04:05Z"));
  assert.is(saved.mtimes.get("index.json"), 0);
});

test("saves several images, and what they share once", async (undo) => {
  const { images, save } = await withImages(undo);
  const saved = await unpacked(await save("app:2", "registry.test:5000/team/app:1", images.nameless.id));
  assert.is(new Set(saved.names).size, saved.names.length);
  const listed = saved.json("manifest.json").map((each: { RepoTags: string[] | null }) => each.RepoTags);
  assert.equal(listed, [["app:2"], ["registry.test:5000/team/app:1"], null]);
});

test("takes all tags of a repository that is named without one", async (undo) => {
  const { save } = await withImages(undo);
  const saved = await unpacked(await save("app"));
  assert.equal(saved.json("repositories").app ? Object.keys(saved.json("repositories").app) : [], ["1", "2"]);
});

test("knows images by ID and by the start of one, and gives them no name then", async (undo) => {
  const { area, images: { one } } = await withImages(undo);
  for (const name of [one.id, one.id.slice(7), one.id.slice(7, 19)]) {
    const saved = await unpacked(await bytesOf(await area.save.one(request({ name }))));
    assert.is(saved.json("manifest.json")[0].RepoTags, null);
    assert.is(saved.json("index.json").manifests[0].annotations, undefined);
    assert.not(saved.names.includes("repositories"));
  }
});

test("the same images give the same bytes", async (undo) => {
  const { save } = await withImages(undo);
  assert.ok((await save("app", "registry.test:5000/team/app:1")).equals(
    await save("app", "registry.test:5000/team/app:1"),
  ));
});

test("save, load and save again give the same bytes", async (undo) => {
  const { save } = await withImages(undo);
  const first = await save("app:1", "app:2");
  const other = await openArea(undo);
  await linesOf(other.load.load(request({ body: first, query: { quiet: "1" } })));
  const again = await bytesOf(await other.save.one(request({ name: "app" })));
  assert.ok(again.equals(first));
});

test("says in Docker's words what is not there", async (undo) => {
  const { area } = await withImages(undo);
  const refused = async (name: string, query = {}) =>
    await rejection((async () => await area.save.one(request({ name, query })))()) as ApiError;
  assert.is((await refused("nosuch")).message, "No such image: nosuch");
  assert.is((await refused("nosuch")).status, 404);
  assert.is((await refused("app:nosuch")).message, "reference does not exist");
  assert.is((await refused(`app@sha256:${"0".repeat(64)}`)).message, "reference does not exist");
  assert.is((await refused(`sha256:${"0".repeat(64)}`)).message, `No such image: sha256:${"0".repeat(64)}`);
  assert.is((await refused("")).message, "invalid reference format");
  const none = await rejection((async () => await area.save.several(request()))());
  assert.is(none.message, "names is empty: name the images to save");
});

test("saves for the platform that was asked for, and for no other", async (undo) => {
  const { area } = await withImages(undo);
  const query = (platform: object | string) => ({
    platform: typeof platform === "string" ? platform : JSON.stringify(platform),
  });
  const ask = async (platform: object | string) =>
    await area.save.one(request({ name: "app:1", query: query(platform) }));
  assert.is((await ask({ os: "linux", architecture: "amd64" })).kind, "stream");
  assert.is(
    (await rejection(ask({ os: "linux", architecture: "arm64", variant: "v8" }))).message,
    "no suitable export target found for platform linux/arm64/v8",
  );
  assert.match((await rejection(ask("linux/amd64"))).message, /^failed to parse platform: /);
  assert.is((await rejection(ask({}))).message, "both OS and Architecture must be provided");
});

test("stops reading the store when the client goes", async (undo) => {
  const { area } = await withImages(undo);
  let open = 0;
  const read = area.store.read.bind(area.store);
  area.store.read = async function* (...args: Parameters<typeof read>) {
    open++;
    try {
      for await (const chunk of read(...args)) for (let i = 0; i < 3; i++) yield chunk.subarray(0, 1);
    } finally {
      open--;
    }
  };
  const reply = await area.save.one(request({ name: "app:1" }));
  if (reply.kind !== "stream") throw new Error("expected a stream");
  let seen = 0;
  for await (const _ of reply.body) if (++seen === 12) break;
  assert.is(open, 0);
});

test("an image that is removed while it is saved stays in the store until then", async (undo) => {
  const { area, images: { nameless } } = await withImages(undo);
  const reply = await area.save.one(request({ name: nameless.id }));
  if (reply.kind !== "stream") throw new Error("expected a stream");
  const isHeld = () => [...area.store.held.values()].some(({ id }) => id === nameless.id);
  let removed = false;
  for await (const _ of reply.body) {
    if (!removed) await area.remove.remove(request({ name: nameless.id, query: { force: "1" } }));
    removed = true;
    assert.ok(isHeld());
  }
  assert.not(isHeld());
});

test("breaks off when a blob has another size than its descriptor says", async (undo) => {
  const { area } = await withImages(undo);
  const read = area.store.read.bind(area.store);
  area.store.read = async function* (...args: Parameters<typeof read>) {
    for await (const chunk of read(...args)) yield chunk.subarray(1);
  };
  const reply = await area.save.one(request({ name: "app:1" }));
  assert.match((await rejection(bytesOf(reply))).message, /Size mismatch/);
});
