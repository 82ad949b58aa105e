import type { Undo } from "../../core/support/undo.ts";
import { parseReference } from "../../plugins/images/reference.ts";
import { parseMoment } from "../../plugins/images/until.ts";
import { assert, rejection, test } from "../support/test.ts";
import { bodyOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { smallImage } from "./small-image.ts";

interface Report {
  readonly ImagesDeleted: Record<string, string>[] | null;
  readonly SpaceReclaimed: number;
}

async function areaWithImages(undo: Undo) {
  const area = await openArea(undo);
  const never = new AbortController().signal;
  const add = async (layers: string[], names: string[], Labels = {}, created = "2024-01-01T00:00:00Z") => {
    const { source } = await smallImage(layers, { Labels }, { created });
    const image = await area.store.ingest(source, () => {}, never);
    await area.table.add(image, names.map(parseReference));
    return image;
  };
  const prune = async (filters: object = {}) =>
    bodyOf<Report>(await area.prune.prune(request({ query: { filters: JSON.stringify(filters) } })));
  const left = () => area.table.list().map(({ image }) => image.id);
  return { area, add, prune, left };
}

test("removes images without a tag, and tells the space of layers that nobody else has", async (undo) => {
  const { add, prune, left } = await areaWithImages(undo);
  const named = await add(["shared"], ["app:1"]);
  const nameless = await add(["shared", "own"], []);
  const byDigest = await add(["third"], [`app@${digestOf("m")}`]);
  const report = await prune();
  assert.equal(left(), [named.id]);
  const [shared = "", own = ""] = nameless.config.rootfs.diff_ids;
  assert.equal(report.ImagesDeleted, [
    { Deleted: nameless.id },
    { Deleted: digestOf(`${shared} ${own}`) },
    { Untagged: `app@${digestOf("m")}` },
    { Deleted: byDigest.id },
    { Deleted: byDigest.config.rootfs.diff_ids[0] ?? "" },
  ]);
  assert.is(report.SpaceReclaimed, (nameless.layerSizesBytes[1] ?? 0) + byDigest.sizeBytes);
  assert.equal(await prune(), { ImagesDeleted: null, SpaceReclaimed: 0 });
});

test("removes tagged images too when asked, but never one that a container was made from", async (undo) => {
  const { area, add, prune, left } = await areaWithImages(undo);
  const used = await add(["used"], ["app:1"]);
  const stopped = await add(["stopped"], []);
  await add(["unused"], ["other:1", "other:2"]);
  const users = new Map([[used.id, true], [stopped.id, false]]);
  area.table.askForUsers((id) => users.has(id) ? [{ id: "c".repeat(64), running: users.get(id)! }] : []);
  const report = await prune({ dangling: ["false"] });
  assert.equal(left(), [used.id, stopped.id]);
  assert.equal(area.table.named(used.id).tags, ["app:1"]);
  assert.equal(report.ImagesDeleted?.slice(0, 2), [{ Untagged: "other:1" }, { Untagged: "other:2" }]);
});

test("leaves an image in use its last name, as Docker does", async (undo) => {
  const { area, add, prune } = await areaWithImages(undo);
  const used = await add(["used"], ["app:1", "app:2", "localhost/app:1"]);
  area.table.askForUsers(() => [{ id: "c".repeat(64), running: false }]);
  const report = await prune({ dangling: ["false"] });
  assert.equal(report, { ImagesDeleted: [{ Untagged: "app:1" }, { Untagged: "app:2" }], SpaceReclaimed: 0 });
  assert.equal(area.table.named(used.id).tags, ["localhost/app:1"]);
});

test("chooses by label and by age as Docker does", async (undo) => {
  const { add, prune, left } = await areaWithImages(undo);
  const add1 = async (text: string, labels: object, created?: string) =>
    (await add([text], [], labels, created)).id;
  const old = await add1("old", { stage: "one" }, "2020-01-01T00:00:00Z");
  const one = await add1("one", { stage: "one" });
  const two = await add1("two", { stage: "two", keep: "" });
  const now = await add1("now", {}, new Date().toISOString());
  await prune({ until: ["2019-01-01"] });
  await prune({ label: ["stage=none"] });
  assert.equal(left(), [old, one, two, now]);
  await prune({ until: ["2021-01-01T00:00:00Z"], label: ["stage"] });
  assert.equal(left(), [one, two, now]);
  await prune({ "label!": ["keep"], until: ["1h"] });
  assert.equal(left(), [two, now]);
  await prune({ "label!": ["stage=two"], label: { keep: true } });
  assert.equal(left(), [two, now]);
  await prune({ "label!": ["keep", "nothing"], label: ["stage=two"] });
  assert.equal(left(), [now]);
});

test("refuses filters in Docker's words, and a second prune while one runs", async (undo) => {
  const { area, add, prune } = await areaWithImages(undo);
  const refused = async (filters: object) => (await rejection(prune(filters))).message;
  assert.is(await refused({ foo: ["bar"] }), "invalid filter 'foo'");
  assert.is(await refused({ dangling: ["maybe"] }), "invalid filter 'dangling=[maybe]'");
  assert.is(await refused({ dangling: ["true", "false"] }), "invalid filter 'dangling=[true false]'");
  assert.is(await refused({ dangling: [] }), "invalid filter 'dangling'");
  assert.is(await refused({ until: ["1h", "2h"] }), "more than one until filter specified");
  assert.is(await refused({ until: ["soon"] }), 'failed to parse value as time or duration: "soon"');
  await add(["a"], []);
  const first = prune();
  assert.is(await refused({}), "a prune operation is already running");
  await first;
  assert.equal(area.table.list(), []);
});

test("reads moments as Docker does", () => {
  const now = Date.parse("2024-05-06T07:08:09Z");
  const at = (text: string) => new Date(parseMoment(text, now)).toISOString();
  assert.is(at("1h30m"), "2024-05-06T05:38:09.000Z");
  assert.is(at("1.5s"), "2024-05-06T07:08:07.500Z");
  assert.is(at("-10m"), "2024-05-06T07:18:09.000Z");
  assert.is(at("0"), "1970-01-01T00:00:00.000Z");
  assert.is(at("1704067200.5"), "2024-01-01T00:00:00.500Z");
  assert.is(at("2024-01-02T03:04:05.25+01:00"), "2024-01-02T02:04:05.250Z");
  assert.is(at("2024-01-02T03:04Z"), "2024-01-02T03:04:00.000Z");
  assert.is(at("2024-01-02T03"), new Date(2024, 0, 2, 3).toISOString());
  assert.is(at("2024-01-02"), new Date(2024, 0, 2).toISOString());
  for (const text of ["", "-5", "h", "1d", "yesterday", "2024-13-01", "1".repeat(100), "2024-01-02T25"]) {
    assert.throws(() => parseMoment(text, now), /^failed to parse value as time or duration: /, text);
  }
});
