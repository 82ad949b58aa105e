import { Glob } from "../../plugins/images/glob.ts";
import { parsePlatform } from "../../plugins/images/platform.ts";
import { ApiVersion } from "../../core/kernel/version.ts";
import { parseReference, parseWithTag } from "../../plugins/images/reference.ts";
import { listShapes } from "../../plugins/images/list.ts";
import { inspectShapes } from "../../plugins/images/inspect.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, test } from "../support/test.ts";
import { bodyOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { smallImage } from "./small-image.ts";

type Listed = { Id: string; RepoTags: string[]; RepoDigests: string[]; Containers: number; Size: number };

async function areaWithImages(undo: Undo) {
  const area = await openArea(undo);
  const never = new AbortController().signal;
  const add = async (text: string, created: string, names: string[], labels?: Record<string, string>) => {
    const image = await smallImage([text], { Labels: labels }, { created });
    const stored = await area.store.ingest(image.source, () => {}, never);
    await area.table.add(stored, names.map(parseReference));
    return stored.id;
  };
  const old = await add("old", "2020-01-01T00:00:00Z", ["app:1", `app@${digestOf("x")}`], { stage: "one" });
  const young = await add("young", "2024-01-01T00:00:00Z", ["registry.test/team/app:2", "app:2"]);
  const nameless = await add("nameless", "2022-01-01T00:00:00Z", []);
  const list = (filters: object = {}, version = new ApiVersion(1, 51)) =>
    bodyOf<Listed[]>(area.list.list(request({ query: { filters: JSON.stringify(filters) }, version })));
  return { area, old, young, nameless, list, ids: (filters: object) => list(filters).map(({ Id }) => Id) };
}

test("lists images newest first, with names and users", async (undo) => {
  const { area, list, old, young, nameless } = await areaWithImages(undo);
  area.table.askForUsers((id) => id === old ? [{ id: "c", running: true }] : []);
  const images = list();
  assert.equal(images.map(({ Id }) => Id), [young, nameless, old]);
  assert.equal(images[0]?.RepoTags, ["app:2", "registry.test/team/app:2"]);
  assert.equal(images[2], {
    Containers: 1,
    Created: 1577836800,
    Id: old,
    Labels: { stage: "one" },
    ParentId: "",
    RepoDigests: [`app@${digestOf("x")}`],
    RepoTags: ["app:1"],
    SharedSize: -1,
    Size: images[2]?.Size,
  });
});

test("filters images as Docker does", async (undo) => {
  const { ids, old, young, nameless } = await areaWithImages(undo);
  assert.equal(ids({ dangling: ["true"] }), [nameless]);
  assert.equal(ids({ dangling: { false: true } }), [young, old]);
  assert.equal(ids({ until: ["2023-01-01"] }), [nameless, old]);
  assert.equal(ids({ until: ["2023-01-01", "1970-01-02"] }), []);
  assert.equal(ids({ until: ["10m"], label: ["stage=one"] }), [old]);
  assert.equal(ids({ label: ["stage"] }), [old]);
  assert.equal(ids({ label: ["stage=two"] }), []);
  assert.equal(ids({ before: ["app:2"] }), [nameless, old]);
  assert.equal(ids({ since: [old] }), [young, nameless]);
  assert.equal(ids({ reference: ["app"] }), [young, old]);
  assert.equal(ids({ reference: ["*:2"] }), [young]);
  assert.equal(ids({ reference: ["registry.test/*/app"] }), [young]);
  assert.equal(ids({ reference: ["*/app"] }), []);
  // Of the older form Docker looks at the names alone.
  assert.equal(ids({ reference: { "app:1": false } }), [old]);
});

test("tells what an image shares with the job's other images when asked", async (undo) => {
  const area = await openArea(undo);
  const sizes: number[][] = [];
  for (const layers of [["base", "one"], ["base", "two"], ["alone"], ["other", "base"]]) {
    const { source } = await smallImage(layers);
    const image = await area.store.ingest(source, () => {}, new AbortController().signal);
    await area.table.add(image, [parseReference(`${layers.join("-")}:1`)]);
    sizes.push([...image.layerSizesBytes]);
  }
  const shared = (query: Record<string, string>, version = new ApiVersion(1, 51)) =>
    bodyOf<{ SharedSize: number }[]>(area.list.list(request({ query, version })))
      .map(({ SharedSize }) => SharedSize);
  // The same layer on another one is not the same on disk.
  assert.equal(shared({ "shared-size": "1" }), [sizes[0]?.[0], sizes[1]?.[0], 0, 0]);
  const one = { "shared-size": "1", filters: '{"reference":["base-one"]}' };
  assert.equal(shared(one), [sizes[0]?.[0]]);
  assert.equal(shared({ "shared-size": "1" }, new ApiVersion(1, 41)), [-1, -1, -1, -1]);
});

test("shows only the names that a reference filter leaves", async (undo) => {
  const { list } = await areaWithImages(undo);
  assert.equal(list({ reference: ["registry.test/team/*"] }).map(({ RepoTags }) => RepoTags), [[
    "registry.test/team/app:2",
  ]]);
});

test("matches shell patterns as Go does, in little time", () => {
  const matches = (pattern: string, text: string) => new Glob(pattern).matches(text);
  const yes = ["*", "a*", "*p", "a?p", "[a-c]pp", "[^b]pp", "\\app", "a**p", "*app*"];
  assert.equal(yes.filter((pattern) => !matches(pattern, "app")), []);
  const no = ["", "b*", "a?", "[^a]pp", "app?", "*/app", "ap"];
  assert.equal(no.filter((pattern) => matches(pattern, "app")), []);
  assert.ok(matches("*/a*/b", "team/app/b"));
  assert.not.ok(matches("*/b", "team/app/b"));
  assert.not.ok(matches("team/?pp*", "team/app/b"));
  for (const broken of ["[", "[]", "a\\", "[z-a]"]) assert.throws(() => matches(broken, "a"), "syntax error");
  const start = performance.now();
  assert.not.ok(matches("*a".repeat(200) + "b", "a".repeat(255)));
  assert.ok(performance.now() - start < 200);
});

test("takes no inherited property for a label or a platform", async (undo) => {
  const { list } = await areaWithImages(undo);
  assert.equal(list({ label: ["constructor"] }), []);
  assert.equal(parsePlatform("linux/constructor"), { os: "linux", architecture: "constructor" });
});

test("refuses filters it does not know in Docker's words", async (undo) => {
  const { list } = await areaWithImages(undo);
  assert.throws(() => list({ foo: ["bar"] }), /^invalid filter 'foo'$/);
  assert.throws(() => list({ dangling: ["bar"] }), /^invalid filter 'dangling=\[bar\]'$/);
  assert.throws(() => list({ dangling: ["true", "0"] }), /^invalid filter 'dangling=\[true 0\]'$/);
  assert.throws(() => list({ until: ["soon"] }), /^failed to parse value as time or duration: "soon"$/);
  assert.throws(() => list({ before: ["nothing"] }), /^No such image: nothing:latest$/);
  assert.throws(() => list({ reference: ["[*"] }), /^syntax error in pattern$/);
});

test("finds images by name, ID and unambiguous start of an ID", async (undo) => {
  const { area, old } = await areaWithImages(undo);
  for (
    const name of ["app:1", "docker.io/library/app:1", old, old.slice(7), old.slice(7, 20), old.slice(0, 20)]
  ) {
    assert.is(area.table.find(name).id, old, name);
  }
  assert.is(area.table.find(`app@${digestOf("x")}`).id, old);
  assert.throws(() => area.table.find("sha256:"), /^invalid reference format$/);
  assert.throws(() => area.table.find("sha256:0123"), /^No such image: sha256:0123$/);
  assert.throws(() => area.table.find("nothing"), /^No such image: nothing:latest$/);
});

test("keeps the table over a restart", async (undo) => {
  const { area, old } = await areaWithImages(undo);
  const again = await openArea(undo, { dir: area.job.dir });
  assert.equal(again.table.list(), area.table.list());
  assert.is(again.table.find("app:1").id, old);
});

test("shapes the list for older clients", () => {
  const shape = (below: string, body: object[]) =>
    listShapes.find((each) => each.below === below)?.shape(body) as object[];
  assert.equal(shape("1.51", [{ Containers: 3 }]), [{ Containers: -1 }]);
  assert.equal(shape("1.44", [{ Size: 3 }]), [{ Size: 3, VirtualSize: 3 }]);
  assert.equal(shape("1.43", [{ RepoTags: [], RepoDigests: [] }, { RepoTags: ["a:b"], RepoDigests: [] }]), [
    { RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] },
    { RepoTags: ["a:b"], RepoDigests: null },
  ]);
});

test("describes an image with the fields that Docker's answer has", async (undo) => {
  const { area, old } = await areaWithImages(undo);
  const body = bodyOf<Record<string, unknown>>(area.inspect.inspect(request({ name: "app:1" })));
  assert.is(body.Id, old);
  assert.equal(Object.keys(body).sort(), dockerFields);
  assert.equal(Object.keys(body.Config as object).sort(), dockerConfigFields);
  const shaped = inspectShapes.reduce<unknown>((each, { shape }) => shape(each), structuredClone(body));
  assert.equal(
    Object.keys(shaped as object).sort(),
    [...dockerFields, "ContainerConfig", "VirtualSize"].sort(),
  );
});

const dockerFields = [
  "Architecture",
  "Author",
  "Comment",
  "Config",
  "Created",
  "DockerVersion",
  "GraphDriver",
  "Id",
  "Metadata",
  "Os",
  "Parent",
  "RepoDigests",
  "RepoTags",
  "RootFS",
  "Size",
];

const dockerConfigFields = [
  "Cmd",
  "Entrypoint",
  "Env",
  "Labels",
  "OnBuild",
  "User",
  "Volumes",
  "WorkingDir",
];

test("tags an image and refuses what is not a tag", async (undo) => {
  const { area, young, old } = await areaWithImages(undo);
  const tag = (name: string, query: Record<string, string>) => area.tag.tag(request({ name, query }));
  assert.is((await tag("app:1", { repo: "other", tag: "x" })).kind, "empty");
  assert.is(area.table.find("other:x").id, old);
  await tag("app:2", { repo: "other", tag: "x" });
  assert.is(area.table.find("other:x").id, young);
  await tag("app:2", { repo: "bare" });
  assert.is(area.table.idNamed(parseWithTag("bare", "latest")), young);
});
