/** Images that every job has from its start. */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { internal } from "../../core/support/errors.ts";
import { CacheKeeper } from "../../plugins/images/cache/keeper.ts";
import { HeldImages } from "../../plugins/images/held-images.ts";
import { ImageTable } from "../../plugins/images/image-table.ts";
import images from "../../plugins/images/plugin.ts";
import { Preload, type PreloadPlan } from "../../plugins/images/preload/preload.ts";
import { readCredentials } from "../../plugins/images/preload/credentials.ts";
import { preloadReferences } from "../../plugins/images/preload/settings.ts";
import { familiar } from "../../plugins/images/reference.ts";
import { ImageRemove } from "../../plugins/images/remove.ts";
import { ImageRemover } from "../../plugins/images/remover.ts";
import { silent } from "../../core/support/logger.ts";
import { facts } from "../support/facts.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { FakeRegistries, openArea, request } from "./area.ts";
import { FakeCache } from "./fake-cache.ts";
import { smallImage } from "./small-image.ts";

const reference = "registry.test/app:1";
const hub = { defaultRegistry: "docker.io" };

/** A registry that is down while it is told so. */
class Registry extends FakeRegistries {
  isDown = false;
  readonly tries: number[] = [];

  override async resolve(...asked: Parameters<FakeRegistries["resolve"]>) {
    this.tries.push(Date.now());
    if (this.isDown) throw internal("dial tcp: connection refused");
    return await super.resolve(...asked);
  }
}

async function temporary(undo: Undo): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-preload-"));
  undo.add(dir, () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A daemon's preload over fakes; several of one data directory and cache stand for one daemon after the other. */
async function startPreload(
  undo: Undo,
  texts: readonly string[],
  { dataDir, cache = new FakeCache(), registry = new Registry(), ...plan }:
    & { dataDir?: string; cache?: FakeCache; registry?: Registry }
    & Partial<PreloadPlan> = {},
) {
  const dir = dataDir ?? await temporary(undo);
  const daemon = facts({ dataDir: dir });
  const keeper = new CacheKeeper(cache, { highPercent: 100, lowPercent: 100 }, daemon);
  const references = preloadReferences({ preload: texts });
  const all = { references, defaultRegistry: "docker.io", ...plan };
  const preload = new Preload(all, registry, cache, keeper, daemon);
  undo.add("preload", () => preload.close());
  await preload.open();
  return { preload, cache, registry, dataDir: dir };
}

const there = (preload: Preload, count = 1) =>
  eventually("the images", () => preload.list().length === count && preload.warnings().length === 0);

test("names an image as a pull does, and gives it to a job with nothing written and nothing held", async (undo) => {
  const registry = new Registry();
  const image = await smallImage(["a"]);
  registry.images.set("registry.test/app:latest", image);
  const { preload, cache } = await startPreload(undo, ["registry.test/app"], { registry });
  await there(preload);
  const { digest } = image.source.manifest;
  assert.equal(preload.list()[0]!.references.map(familiar), [
    "registry.test/app:latest",
    `registry.test/app@${digest}`,
  ]);
  const { job } = await openArea(undo);
  const table = new ImageTable(job, preload);
  await table.open();
  assert.not(existsSync(join(job.dir, "images.json")));
  for (const name of ["registry.test/app", `registry.test/app@${digest}`, image.id, image.id.slice(7, 19)]) {
    assert.is(table.find(name).id, image.id, name);
  }
  const [named] = table.list();
  assert.equal([named!.tags, named!.digests], [
    ["registry.test/app:latest"],
    [`registry.test/app@${digest}`],
  ]);
  assert.equal((await cache.list()).map(({ heldBy, pinned }) => [heldBy, pinned]), [[[], true]]);
});

test("a job removes a preloaded image for itself alone, and for good", async (undo) => {
  const registry = new Registry();
  registry.images.set(reference, await smallImage(["a"]));
  const { preload, cache } = await startPreload(undo, [reference], { registry });
  await there(preload);
  const { job } = await openArea(undo);
  const open = async (dir = job.dir) => {
    const table = new ImageTable({ ...job, dir }, preload);
    await table.open();
    return table;
  };
  const table = await open();
  const held = new HeldImages(cache.job("one").store, table);
  await new ImageRemove(table, new ImageRemover(table, held)).remove(
    request({ name: reference }),
  );
  assert.equal(table.list(), []);
  assert.equal((await open()).list(), []);
  assert.is((await open(await temporary(undo))).list().length, 1);
  assert.is((await cache.list())[0]!.pinned, true);
});

test("tries again until the registry is up, and says meanwhile what stands in the way", async (undo) => {
  const registry = new Registry();
  registry.isDown = true;
  registry.images.set(reference, await smallImage(["a"]));
  const { preload } = await startPreload(undo, [reference], { registry });
  await eventually("the warning", () => preload.warnings().length === 1);
  assert.equal(preload.warnings(), [
    `preloaded image ${reference} is not there yet: dial tcp: connection refused`,
  ]);
  await eventually("another try", () => registry.tries.length === 2, 5_000);
  assert.ok(registry.tries[1]! - registry.tries[0]! >= 900);
  registry.isDown = false;
  await there(preload);
});

test("a registry that is down holds up neither the others nor the end", async (undo) => {
  const registry = new Registry();
  registry.images.set(reference, await smallImage(["a"]));
  const { preload } = await startPreload(undo, ["registry.test/none:1", "registry.test/no:2", reference], {
    registry,
  });
  await eventually("the image that is there", () => preload.list().length === 1);
  await eventually("both warnings", () => preload.warnings().length === 2);
  await preload.close();
});

test("serves what an earlier daemon preloaded until the registry has answered", async (undo) => {
  const first = await startPreload(undo, [reference], { registry: await serving(["a"]) });
  await there(first.preload);
  await first.preload.close();
  const registry = await serving(["b"]);
  registry.isDown = true;
  const second = await startPreload(undo, [reference], { ...first, registry });
  assert.equal(second.preload.list(), first.preload.list());
  await eventually("the warning", () => second.preload.warnings().length === 1);
  assert.match(second.preload.warnings()[0]!, "is as it was before the restart: dial tcp");
  registry.isDown = false;
  await eventually("the newer image", () => second.preload.warnings().length === 0, 5_000);
  const [old, fresh] = [first.preload.list()[0]!.image, second.preload.list()[0]!.image];
  assert.is.not(fresh.id, old.id);
  // Jobs may have it: it stays for now, and no longer than this daemon.
  const pinned = async () =>
    (await first.cache.list()).filter((each) => each.pinned).map((each) => each.digest);
  assert.equal((await pinned()).sort(), [old.manifest.digest, fresh.manifest.digest].sort());
  await second.preload.close();
  await startPreload(undo, [reference], { ...first, registry });
  assert.equal(await pinned(), [fresh.manifest.digest]);
});

test("lets go of images that the settings no longer name, and of ones that are no more", async (undo) => {
  const first = await startPreload(undo, [reference], { registry: await serving(["a"]) });
  await there(first.preload);
  await first.preload.close();
  await startPreload(undo, [], first);
  assert.equal((await first.cache.list()).map(({ pinned }) => pinned), [false]);
  const registry = new Registry();
  registry.isDown = true;
  const lost = await startPreload(undo, [reference], { ...first, cache: new FakeCache(), registry });
  assert.equal(lost.preload.list(), []);
});

test("takes the credentials of the registry from the file, each time anew", async (undo) => {
  const path = join(await temporary(undo), "config.json");
  await writeFile(path, JSON.stringify({ auths: { "other.test": { username: "x", password: "y" } } }));
  const registry = new Registry();
  const { preload } = await startPreload(undo, [reference], { registry, credentialsPath: path });
  await eventually("the first try", () => registry.asked.length === 1);
  assert.is(registry.asked[0]![2], undefined);
  await writeFile(path, JSON.stringify({ auths: { "https://registry.test/v2/": { auth: btoa("u:p:q") } } }));
  registry.images.set(reference, await smallImage(["a"]));
  await there(preload);
  const { username, password } = registry.asked.at(-1)![2]!;
  assert.equal([username, password], ["u", "p:q"]);
});

test("reads Docker Hub's credentials by any name it has in such files", async (undo) => {
  const path = join(await temporary(undo), "config.json");
  for (
    const name of ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"]
  ) {
    await writeFile(path, JSON.stringify({ auths: { [name]: { identitytoken: "t" } } }));
    assert.is((await readCredentials(path, hub))("registry-1.docker.io")?.identitytoken, "t", name);
  }
});

test("refuses credentials that it cannot read, naming the file and telling nothing of what is in it", async (undo) => {
  const path = join(await temporary(undo), "config.json");
  const problem = async (content: string) => {
    await writeFile(path, content);
    return (await rejection(readCredentials(path, hub))).message;
  };
  assert.is(await problem(`{"auths": secret}`), `${path} is not JSON`);
  assert.is(await problem("[]"), `${path} is no JSON object`);
  assert.match(await problem(`{"credsStore": "pass"}`), `${path}: credsStore is not supported`);
  assert.match(await problem(`{"credHelpers": {"a.test": "x"}}`), "credHelpers is not supported");
  assert.match(
    (await rejection(readCredentials("/nonexistent/config.json", hub))).message,
    "/nonexistent/config.json cannot be read",
  );
  await writeFile(path, `{"auths": {"a.test": 5, "b.test": null, "c.test": {"auth": 7}}}`);
  const known = await readCredentials(path, hub);
  assert.equal(["a.test", "b.test", "c.test", "__proto__"].map(known), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("does not start with a credentials file that is not there", async () => {
  const settings = {
    defaultRegistry: "docker.io",
    loadLimitBytes: 1024,
    importFromUrls: true,
    preload: [],
    preloadCredentials: "/nonexistent/config.json",
    cache: { highPercent: 85, lowPercent: 80 },
  };
  const started = Promise.resolve(images.start?.({ settings, log: silent, daemon: facts() }));
  assert.match((await rejection(started)).message, "/nonexistent/config.json cannot be read");
});

async function serving(texts: readonly string[]): Promise<Registry> {
  const registry = new Registry();
  registry.images.set(reference, await smallImage(texts));
  return registry;
}
