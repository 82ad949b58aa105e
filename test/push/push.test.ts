import { gunzipSync } from "node:zlib";
import { invalid } from "../../core/support/errors.ts";
import { assert, rejection, test } from "../support/test.ts";
import { digestOf, openPush, push } from "./fake-target.ts";

const origin = "registry.test/base";
const short = (digest: string) => digest.slice(7, 19);
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const statuses = (lines: Record<string, unknown>[]) =>
  lines.filter(({ status }) => status !== "Pushing").map(({ id, status }) => id ? `${id} ${status}` : status);

test("tells each layer's way as Docker does, the top one first", async (undo) => {
  const push1 = await openPush(undo);
  const image = push1.images.image("1", ["a", "b", "c"], { origin });
  push1.repository.blobs.set(digestOf("a"), Buffer.from("a"));
  push1.repository.mountable.add(`base ${digestOf("b")}`);
  const lines = await push(push1);
  const [a = "", b = "", c = ""] = image.config.rootfs.diff_ids.map(short);
  assert.equal(statuses(lines).slice(0, 5), [
    "The push refers to repository [registry.test/app]",
    `${c} Preparing`,
    `${b} Preparing`,
    `${a} Preparing`,
    `${a} Waiting`,
  ]);
  assert.equal(
    statuses(lines).slice(5, 8).sort(),
    [
      `${a} Layer already exists`,
      `${b} Mounted from base`,
      `${c} Pushed`,
    ].sort(),
  );
  const { digest, sizeBytes } = image.manifest;
  assert.equal(lines.slice(-2), [
    { status: `1: digest: ${digest} size: ${sizeBytes}` },
    { progressDetail: {}, aux: { Tag: "1", Digest: digest, Size: sizeBytes } },
  ]);
  assert.equal(push1.images.named, [`registry.test/app@${digest}`]);
});

test("the manifest and the configuration go out byte for byte, and last", async (undo) => {
  const one = await openPush(undo);
  const image = one.images.image("1", ["a"], { origin });
  await push(one);
  assert.is(
    text(one.repository.manifests.get("1")?.bytes),
    text(one.images.blobs.get(image.manifest.digest)),
  );
  assert.ok(one.repository.blobs.has(image.id));
  assert.is(one.repository.log.at(-1), "put 1");
});

test("compresses plain tars of an archive, and knows them the second time, and after a restart", async (undo) => {
  const one = await openPush(undo);
  const image = one.images.image("1", ["plain tar", "another"]);
  await push(one);
  const manifest = one.repository.manifests.get("1")!;
  const body = JSON.parse(new TextDecoder().decode(manifest.bytes));
  assert.is(body.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  assert.is(body.config.digest, image.id);
  const [layer] = body.layers;
  assert.is(layer.mediaType, "application/vnd.docker.image.rootfs.diff.tar.gzip");
  const uploaded = one.repository.blobs.get(layer.digest)!;
  assert.is(layer.size, uploaded.length);
  assert.is(gunzipSync(uploaded).toString(), "plain tar");
  const two = await openPush(undo, one.dir);
  two.images.image("1", ["plain tar", "another"]);
  for (const [digest, bytes] of one.repository.blobs) two.repository.blobs.set(digest, bytes);
  const again = await push(two);
  const ids = image.config.rootfs.diff_ids.map(short);
  for (const id of ids) assert.ok(statuses(again).includes(`${id} Layer already exists`));
  assert.equal(two.repository.manifests.get("1"), manifest);
  assert.equal(two.repository.log, ["put 1"]);
});

test("mounts from where the job pushed the layer before", async (undo) => {
  const one = await openPush(undo);
  one.images.image("1", ["tar"]);
  await push(one);
  one.repository.log.length = 0;
  const compressed = one.pushed.compressedOf(digestOf("tar"))!;
  one.pushed.wentTo(compressed.digest, "registry.test/elsewhere");
  one.pushed.wentTo(compressed.digest, "other.test/foreign");
  one.repository.blobs.clear();
  one.repository.mountable.add(`elsewhere ${compressed.digest}`);
  assert.ok(statuses(await push(one)).includes(`${short(digestOf("tar"))} Mounted from elsewhere`));
  assert.is(one.repository.log[0], "mount elsewhere");
});

test("pushes the whole index when the job holds what it lists, attestations included", async (undo) => {
  const one = await openPush(undo);
  const layer = one.images.put(Buffer.from("provenance"), "application/vnd.in-toto+json");
  const config = one.images.put(Buffer.from("{}"), "application/vnd.oci.image.config.v1+json");
  const manifest = one.images.put(Buffer.from("attestation"), "application/vnd.oci.image.manifest.v1+json");
  const image = one.images.image("1", ["a"], {
    origin,
    attestations: [{ manifest, config, layers: [layer] }],
  });
  const { index } = one.images.index(image, [image.manifest.digest, manifest.digest]);
  const lines = await push(one);
  assert.match(String(lines.at(-2)?.status), `1: digest: ${index!.digest}`);
  assert.is(text(one.repository.manifests.get("1")?.bytes), text(one.images.blobs.get(index!.digest)));
  assert.ok(one.repository.manifests.has(manifest.digest));
  assert.ok(one.repository.blobs.has(layer.digest));
  assert.is(one.repository.log.at(-1), "put 1");
});

test("pushes the index when the repository has what the job does not", async (undo) => {
  const one = await openPush(undo);
  const image = one.images.image("1", ["a"], { origin });
  const { index } = one.images.index(image, [image.manifest.digest, digestOf("arm64")]);
  const bytes = Buffer.from("arm64");
  one.repository.manifests.set(digestOf("arm64"), { mediaType: "m", digest: "d", sizeBytes: 5, bytes });
  await push(one);
  assert.is(one.repository.manifests.get("1")?.digest, index!.digest);
});

test("pushes the platform's manifest alone when parts of the index are nowhere, and says so", async (undo) => {
  const one = await openPush(undo);
  const image = one.images.image("1", ["a"], { origin });
  const { index, manifest } = one.images.index(image, [image.manifest.digest, digestOf("nowhere")]);
  const lines = await push(one);
  assert.is(one.repository.manifests.get("1")?.digest, manifest.digest);
  const [note, aux] = lines.slice(-4) as [{ status: string }, { aux: Record<string, unknown> }];
  assert.is(note.status, `Not all of ${index!.digest} is present: pushed what is for linux/amd64`);
  assert.is(aux.aux.manifestPushedInsteadOfIndex, true);
  assert.is((aux.aux.originalIndex as { digest: string }).digest, index!.digest);
});

test("a platform asked for goes out without the index", async (undo) => {
  const one = await openPush(undo);
  const image = one.images.image("1", ["a"], { origin });
  one.images.index(image, [image.manifest.digest]);
  await push(one, { tag: "1", platform: JSON.stringify({ os: "linux", architecture: "amd64" }) });
  assert.is(one.repository.manifests.get("1")?.digest, image.manifest.digest);
  const other = { tag: "1", platform: JSON.stringify({ os: "linux", architecture: "arm64" }) };
  assert.match((await rejection(push(one, other))).message, "(linux/amd64) does not match");
});

test("all tags go out when none is named", async (undo) => {
  const one = await openPush(undo);
  for (const tag of ["a", "b"]) one.images.image(tag, ["same"], { origin });
  const lines = await push(one, {});
  assert.equal(
    lines.map(({ aux }) => (aux as { Tag?: string })?.Tag).filter(Boolean),
    ["a", "b"],
  );
});

test("says in Docker's words what is not there", async (undo) => {
  const one = await openPush(undo);
  one.images.image("1", ["a"], { origin });
  const error = async (query: Record<string, string>, name?: string) =>
    (await push(one, query, name ? { name } : {})).at(-1)?.error;
  assert.is(await error({ tag: "2" }), "tag does not exist: registry.test/app:2");
  assert.is(
    await error({ tag: "1" }, "registry.test/none"),
    "An image does not exist locally with the tag: registry.test/none",
  );
  one.images.tags.clear();
  assert.is(await error({}), "no tags to push for registry.test/app");
});

test("refuses layers that may not be distributed", async (undo) => {
  const one = await openPush(undo);
  const image = one.images.image("1", ["a"], { origin });
  const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  one.images.tags.set("1", { ...image, layers: [{ ...image.layers[0]!, mediaType }] });
  assert.match(String((await push(one)).at(-1)?.error), /may not be distributed/);
  assert.equal(one.repository.log, []);
});

test("one layer's failure is the push's, and the tag stays what it was", async (undo) => {
  const one = await openPush(undo);
  one.images.image("1", ["a", "b", "c", "d"], { origin });
  one.repository.fail = (what, digest) => {
    if (what === "upload" && digest === digestOf("b")) throw invalid("blob upload invalid");
  };
  assert.is((await push(one)).at(-1)?.error, "blob upload invalid");
  assert.is(one.repository.manifests.size, 0);
  assert.is(one.repository.atOnce, 0);
});

test("uploads as many layers at once as the setting says", async (undo) => {
  const one = await openPush(undo);
  one.images.image("1", ["a", "b", "c", "d", "e", "f"], { origin });
  await push(one);
  assert.is(one.repository.mostAtOnce, 2);
});

test("closing waits for what the job's end broke off", async (undo) => {
  const one = await openPush(undo);
  one.images.image("1", ["a"], { origin });
  const controller = new AbortController();
  one.repository.fail = (what) => {
    if (what === "upload") controller.abort(new Error("the job closes"));
  };
  const lines = push(one, { tag: "1" }, { signal: controller.signal });
  await lines;
  await one.area.close();
  assert.is(one.repository.atOnce, 0);
  assert.is(one.repository.manifests.size, 0);
});
