/** One image ID that came by several manifests: other compression, another registry, an archive. */
import type { ImageSource } from "../../plugins/images/backend.ts";
import { parseReference } from "../../plugins/images/reference.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, test } from "../support/test.ts";
import { openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { smallImage } from "./small-image.ts";

const never = new AbortController().signal;

/** The same configuration and layers under a manifest with other bytes. */
function rewritten(source: ImageSource): ImageSource {
  const bytes = Buffer.concat([source.manifest.bytes, Buffer.from(" ")]);
  const manifest = { ...source.manifest, bytes, digest: digestOf(bytes), sizeBytes: bytes.length };
  return { ...source, manifest };
}

async function areaWithTwo(undo: Undo) {
  const area = await openArea(undo);
  const { source, id } = await smallImage(["a"]);
  const other = rewritten(source);
  const bring = (from: ImageSource, name: string) =>
    area.held.bring(from, [parseReference(name)], () => {}, never);
  await bring(source, "one:1");
  await bring(other, "two:1");
  const manifestOf = (name: string) => area.table.find(name).manifest.digest;
  const held = () => [...area.store.heldManifests].sort();
  return {
    area,
    id,
    first: source.manifest.digest,
    second: other.manifest.digest,
    bring,
    manifestOf,
    held,
    source,
    other,
  };
}

test("finds by each name the manifest that came under it, and the newest by ID", async (undo) => {
  const { area, id, first, second, manifestOf } = await areaWithTwo(undo);
  assert.is(manifestOf("one:1"), first);
  assert.is(manifestOf("two:1"), second);
  assert.is(manifestOf(id), second);
  assert.equal(area.table.list().map(({ tags }) => tags), [["one:1", "two:1"]]);
  await area.tag.tag(request({ name: "one:1", query: { repo: "three", tag: "1" } }));
  assert.is(manifestOf("three:1"), first);
});

test("gives a manifest back when its last name goes or moves, and keeps the image", async (undo) => {
  const { area, first, second, bring, held, other, manifestOf, id } = await areaWithTwo(undo);
  assert.equal(held(), [first, second].sort());
  await bring(other, "one:1");
  assert.equal(held(), [second]);
  await area.remove.remove(request({ name: "one:1" }));
  assert.equal(held(), [second]);
  assert.is(manifestOf(id), second);
});

test("gives a manifest back when its name is removed, and all with the image", async (undo) => {
  const { area, first, held } = await areaWithTwo(undo);
  await area.remove.remove(request({ name: "two:1" }));
  assert.equal(held(), [first]);
  await area.remove.remove(request({ name: "one:1" }));
  assert.equal(held(), []);
});

test("gives a manifest back when a tag takes its name away", async (undo) => {
  const { area, first, held } = await areaWithTwo(undo);
  await area.tag.tag(request({ name: "one:1", query: { repo: "two", tag: "1" } }));
  assert.equal(held(), [first]);
});

test("knows after a restart what it holds", async (undo) => {
  const { area, first, second } = await areaWithTwo(undo);
  const again = await openArea(undo, { dir: area.job.dir, store: area.store });
  assert.is(again.table.find("one:1").manifest.digest, first);
  assert.is(again.table.find("two:1").manifest.digest, second);
  await again.remove.remove(request({ name: "two:1" }));
  await again.remove.remove(request({ name: "one:1" }));
  assert.equal([...area.store.heldManifests], []);
});
