import type { ApiError } from "../../core/support/errors.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { bodyOf, linesOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { smallImage } from "./small-image.ts";

const pulled = (fromImage: string, tag = "latest") => request({ query: { fromImage, tag } });

test("pulls an image and tells it in Docker's lines", async (undo) => {
  const area = await openArea(undo);
  const image = await smallImage(["a"]);
  area.registries.images.set("busybox:latest", image);
  const { digest, sizeBytes } = image.source.layers[0]!;
  const id = digest.slice(7, 19);
  const lines = await linesOf(await area.pull.create(pulled("busybox")));
  const full = {
    progressDetail: { current: sizeBytes, total: sizeBytes },
    progress: `[${"=".repeat(50)}>]      ${sizeBytes}B/${sizeBytes}B`,
  };
  assert.equal(lines, [
    { status: "Pulling from library/busybox", id: "latest" },
    { status: "Pulling fs layer", progressDetail: {}, id },
    { status: "Downloading", ...full, id },
    { status: "Download complete", progressDetail: {}, id },
    { status: "Extracting", ...full, id },
    { status: "Pull complete", progressDetail: {}, id },
    { status: `Digest: ${image.source.manifest.digest}` },
    { status: "Status: Downloaded newer image for busybox:latest" },
  ]);
  assert.equal(area.table.named("busybox").tags, ["busybox:latest"]);
  assert.equal(area.table.named("busybox").digests, [`busybox@${image.source.manifest.digest}`]);
});

test("says that an image is up to date when the tag did not move", async (undo) => {
  const area = await openArea(undo);
  area.registries.images.set("busybox:latest", await smallImage(["a"]));
  await linesOf(await area.pull.create(pulled("busybox")));
  const again = await linesOf(await area.pull.create(pulled("busybox")));
  assert.equal(again.map(({ status }) => status), [
    "Pulling from library/busybox",
    `Digest: ${area.table.find("busybox").manifest.digest}`,
    "Status: Image is up to date for busybox:latest",
  ]);
});

test("tells only that a layer exists which this registry served before", async (undo) => {
  const area = await openArea(undo);
  area.registries.images.set("app:1", await smallImage(["base"]));
  area.registries.images.set("app:2", await smallImage(["base", "more"]));
  await linesOf(await area.pull.create(pulled("app", "1")));
  const lines = await linesOf(await area.pull.create(pulled("app", "2")));
  assert.equal(lines.slice(1, 3).map(({ status }) => status), ["Pulling fs layer", "Already exists"]);
});

test("leaves the old image without a name when the tag moves", async (undo) => {
  const area = await openArea(undo);
  const [old, young] = [await smallImage(["a"]), await smallImage(["b"])];
  area.registries.images.set("busybox:latest", old);
  await linesOf(await area.pull.create(pulled("busybox")));
  area.registries.images.set("busybox:latest", young);
  await linesOf(await area.pull.create(pulled("busybox")));
  assert.is(area.table.find("busybox").id, young.id);
  assert.equal(area.table.named(old.id).tags, []);
  assert.equal(area.table.named(old.id).digests, [`busybox@${old.source.manifest.digest}`]);
});

test("pulls all tags when none is named", async (undo) => {
  const area = await openArea(undo);
  area.registries.images.set("app:1", await smallImage(["1"]));
  area.registries.images.set("app:2", await smallImage(["2"]));
  const lines = await linesOf(await area.pull.create(pulled("app:", "")));
  assert.equal(lines.at(-1), { status: "Status: Downloaded newer image for app" });
  assert.is(area.table.list().length, 2);
});

test("pulls by digest and gives the image no tag", async (undo) => {
  const area = await openArea(undo);
  const image = await smallImage(["a"]);
  area.registries.images.set("app:1", image);
  await linesOf(await area.pull.create(pulled(`app@${image.source.manifest.digest}`, "")));
  assert.equal(area.table.named(image.id).tags, []);
  assert.is(area.table.find(`app@${image.source.manifest.digest}`).id, image.id);
});

test("takes a digest for the tag, and prefers it to the tag in the name", async (undo) => {
  const area = await openArea(undo);
  const image = await smallImage(["a"]);
  area.registries.images.set("app:1", image);
  const { digest } = image.source.manifest;
  const shown = async (fromImage: string, tag: string) => {
    const lines = await linesOf(await area.pull.create(pulled(fromImage, tag)));
    return [lines[0]?.id, lines.at(-1)?.status];
  };
  assert.equal(await shown("app:9", digest), [
    `app@${digest}`,
    `Status: Downloaded newer image for app@${digest}`,
  ]);
  assert.equal(await shown(`app:1@${digest}`, ""), [
    `app:1@${digest}`,
    `Status: Image is up to date for app:1@${digest}`,
  ]);
  assert.is((await shown(`app:1@${digest}`, "2"))[0], `app:2@${digest}`);
  assert.equal(area.table.named(image.id).tags, []);
});

test("answers with a status when the registry does not know the image", async (undo) => {
  const area = await openArea(undo);
  const error = await rejection(Promise.resolve(area.pull.create(pulled("nothing")))) as ApiError;
  assert.is(error.kind, "not-found");
  assert.is(error.message, "manifest for nothing:latest not found: manifest unknown: manifest unknown");
});

test("ends with an error and keeps nothing when a layer lies", async (undo) => {
  const area = await openArea(undo);
  const image = await smallImage(["a"]);
  const source = {
    ...image.source,
    read: async function* () {
      yield new Uint8Array(image.config.length);
    },
  };
  area.registries.images.set("busybox:latest", { ...image, source });
  const error = await rejection(linesOf(await area.pull.create(pulled("busybox"))));
  assert.match(error.message, /other bytes than its digest says/);
  assert.is(area.table.list().length, 0);
  assert.is(area.store.held.size, 0);
});

test("refuses a configuration whose fields are of wrong types, and keeps nothing", async (undo) => {
  const area = await openArea(undo);
  const broken: [object, string][] = [
    [{ Labels: { a: 1 } }, "/config/Labels"],
    [{ Labels: ["a"] }, "/config/Labels"],
    [{ Env: "A=b" }, "/config/Env"],
    [{ Cmd: [["sh"]] }, "/config/Cmd"],
    [{ Healthcheck: true }, "/config/Healthcheck"],
    [{ ExposedPorts: ["80/tcp"] }, "/config/ExposedPorts"],
  ];
  for (const [config, path] of broken) {
    area.registries.images.set("busybox:latest", await smallImage(["a"], config));
    const error = await rejection(linesOf(await area.pull.create(pulled("busybox"))));
    assert.match(error.message, new RegExp(`^image configuration sha256:.* has a wrong type at ${path}`));
  }
  const histories = [5, [null], [{ created_by: 1 }], {}] as never[];
  for (const history of histories) {
    area.registries.images.set("busybox:latest", await smallImage(["a"], {}, { history }));
    assert.match(
      (await rejection(linesOf(await area.pull.create(pulled("busybox"))))).message,
      "at /history",
    );
  }
  assert.is(area.table.list().length, 0);
  assert.is(area.store.held.size, 0);
});

test("takes null for a field that is not there, as Docker does", async (undo) => {
  const area = await openArea(undo);
  const nothing = { Labels: null, Env: null, Volumes: { "/data": {} } };
  const history = null as never;
  area.registries.images.set("busybox:latest", await smallImage(["a"], nothing, { history }));
  await linesOf(await area.pull.create(pulled("busybox")));
  assert.equal(bodyOf(area.history.history(request({ name: "busybox" }))), []);
  assert.is(
    bodyOf<{ Config: { Env: null } }>(area.inspect.inspect(request({ name: "busybox" }))).Config.Env,
    null,
  );
});

test("warns of an image made for another platform than the one asked for, as Docker does", async (undo) => {
  const area = await openArea(undo);
  area.registries.images.set("busybox:latest", await smallImage(["a"]));
  const asked = (platform: string) => request({ query: { fromImage: "busybox", tag: "latest", platform } });
  const last = async (platform: string) =>
    (await linesOf(await area.pull.create(asked(platform)))).at(-1)?.status;
  assert.is(
    await last("linux/arm64"),
    "WARNING: image with reference busybox:latest was found but its platform (linux/amd64) does not match the " +
      "specified platform (linux/arm64)",
  );
  assert.is(await last("linux/amd64"), "Status: Image is up to date for busybox:latest");
});

test("hands the registry the platform and the credentials", async (undo) => {
  const area = await openArea(undo, { defaultRegistry: "registry.internal:5000" });
  area.registries.images.set("busybox:latest", await smallImage(["a"]));
  const auth = Buffer.from(JSON.stringify({ username: "u", password: "p" })).toString("base64url");
  const asked = request({
    query: { fromImage: "busybox", tag: "latest", platform: "linux/amd64" },
    headers: { "x-registry-auth": auth },
  });
  await linesOf(await area.pull.create(asked));
  const [reference, platform, credentials] = area.registries.asked[0]!;
  assert.is(reference.registry, "registry.internal:5000");
  assert.is(reference.repository, "library/busybox");
  assert.equal(platform, { os: "linux", architecture: "amd64" });
  assert.is(credentials?.password, "p");
});

test("stops when the client goes and lets go of what came", async (undo) => {
  const area = await openArea(undo);
  const image = await smallImage(["a"]);
  const client = new AbortController();
  let reading = false;
  const source = {
    ...image.source,
    async *read(_: unknown, __: number, signal: AbortSignal) {
      reading = true;
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      yield new Uint8Array();
    },
  };
  area.registries.images.set("busybox:latest", { ...image, source });
  const asked = request({ query: { fromImage: "busybox", tag: "latest" }, signal: client.signal });
  const work = rejection(linesOf(await area.pull.create(asked)));
  await eventually("the download to begin", () => reading);
  client.abort(new Error("client gone"));
  assert.is((await work).message, "client gone");
  assert.is(area.store.held.size, 0);
});

test("keeps an image that is pulled while it is being removed", async (undo) => {
  const area = await openArea(undo);
  area.registries.images.set("busybox:latest", await smallImage(["a"]));
  await linesOf(await area.pull.create(pulled("busybox")));
  const [, again] = await Promise.all([
    area.remove.remove(request({ name: "busybox" })),
    area.pull.create(pulled("busybox")).then(linesOf),
  ]);
  assert.ok(again.length > 0);
  assert.is(area.table.list().length, 1);
  assert.is(area.store.held.size, 1);
});

test("refuses names that are empty or none", async (undo) => {
  const area = await openArea(undo);
  const from = async (query: Record<string, string>) =>
    (await rejection(area.pull.create(request({ query })))).message;
  assert.match(await from({}), /^fromImage is empty/);
  assert.is(await from({ fromImage: "scratch" }), "'scratch' is a reserved name");
  assert.match(await from({ fromImage: "sha256:x" }), /^refusing to create an ambiguous tag/);
  assert.is(await from({ fromImage: "a", tag: "-" }), "invalid tag format");
  assert.is(
    await from({ fromImage: "a", platform: "b" }),
    '"b": unknown operating system or architecture: invalid argument',
  );
  assert.match(await from({ fromImage: "a", platform: "a/b/c/d" }), /cannot parse platform specifier/);
  assert.is(await from({ fromImage: `a@sha256:${digestOf("").slice(7, 20)}` }), "invalid reference format");
});
