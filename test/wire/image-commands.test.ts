/** What the docker CLI and dockerode do with images besides pulling and running them. */
import Dockerode from "dockerode";
import { randomBytes } from "node:crypto";
import { buildImage, type BuiltImage, digestOf } from "../support/busybox-image.ts";
import { call } from "../support/engine-api.ts";
import { startRegistry } from "../support/registry.ts";
import { screenOf } from "../support/screen.ts";
import { assert, test } from "../support/test.ts";
import { loadImage, testWithEachCli, wire, type WireJob } from "../support/wire.ts";

const daemon = wire();

const format = (text: string) => ["--no-trunc", "--format", text];

testWithEachCli("shows how an image came to be", async (undo, binary) => {
  const history = [
    { created: "2024-01-01T00:00:00Z", created_by: "ADD base", comment: "first" },
    { created: "2024-01-02T00:00:00Z", created_by: "ENV A=b", empty_layer: true },
  ];
  const { docker } = await daemon.job(undo, { binary, image: { history } });
  const id = await docker.ok(["images", "-q", "--no-trunc"]);
  const shown = await docker.ok([
    "history",
    ...format("{{.ID}}|{{.CreatedBy}}|{{.Comment}}|{{.Size}}"),
    "busybox",
  ]);
  const [top, base = ""] = shown.split("\n");
  assert.is(top, `${id}|ENV A=b||0B`);
  assert.match(base, /^<missing>\|ADD base\|first\|\d+(\.\d+)?MB$/);
});

testWithEachCli("chooses images by what their filters say", async (undo, binary) => {
  const { docker } = await threeImages(undo, { binary });
  const list = async (...filters: string[]) => {
    const all = [
      "images",
      ...format("{{.Repository}}:{{.Tag}}"),
      ...filters.flatMap((each) => ["--filter", each]),
    ];
    return (await docker.ok(all)).split("\n");
  };
  assert.equal(await list(), ["young:1", "middle:1", "old:1"]);
  assert.equal(await list("before=middle:1"), ["old:1"]);
  assert.equal(await list("since=middle:1"), ["young:1"]);
  assert.equal(await list("label=stage=middle"), ["middle:1"]);
  assert.equal(await list("until=2024-02-01T00:00:00Z"), ["old:1"]);
  assert.equal(await list("reference=*d*:1", "dangling=false"), ["middle:1", "old:1"]);
  assert.equal(await list("dangling=true"), [""]);
  const refused = await docker.run(["images", "--filter", "nonsense=1"]);
  assert.match(refused.stderr, /invalid filter 'nonsense'/);
});

testWithEachCli("prunes what nobody uses, and tells how much that was", async (undo, binary) => {
  const { docker } = await threeImages(undo, { binary });
  await docker.ok(["create", "--name", "user", "middle:1"]);
  await docker.ok(["tag", "young:1", "old:1"]);
  assert.match(
    await docker.ok(["image", "prune", "-f"]),
    /Deleted Images:\ndeleted: sha256:[^]*reclaimed space: \d/i,
  );
  assert.is(await docker.ok(["image", "prune", "-f"]), "Total reclaimed space: 0B");
  const kept = await docker.ok(["image", "prune", "-af", "--filter", "label=stage=middle"]);
  assert.is(kept, "Total reclaimed space: 0B");
  const all = await docker.ok(["image", "prune", "-af", "--filter", "until=1h"]);
  assert.match(all, /untagged: young:1/);
  assert.is(await docker.ok(["images", ...format("{{.Repository}}")]), "middle");
  await docker.ok(["rm", "user"]);
  await docker.ok(["image", "prune", "-af"]);
  assert.is(await docker.ok(["images", "-aq"]), "");
});

testWithEachCli("removes images by name, ID and the start of an ID, as Docker does", async (undo, binary) => {
  const { docker } = await threeImages(undo, { binary });
  const [young = "", middle = ""] = (await docker.ok(["images", "-q", "--no-trunc"])).split("\n");
  await docker.ok(["tag", "young:1", "other/young:2"]);
  const refused = await docker.run(["rmi", young]);
  assert.match(refused.stderr, /\(must be forced\) - image is referenced in multiple repositories/);
  const removed = await docker.ok(["rmi", "-f", young.slice(0, 19), middle.slice(7, 19)]);
  const own = removed.split("\n").filter((line) => line.startsWith("Untagged"));
  assert.equal(own, ["Untagged: young:1", "Untagged: other/young:2", "Untagged: middle:1"]);
  assert.match((await docker.run(["rmi", "middle:1"])).stderr, "No such image: middle:1");
});

testWithEachCli("draws a pull's bars on a terminal", async (undo, binary) => {
  const registry = await startRegistry(undo);
  const image = await layered(5, 400_000);
  const digest = await registry.push(image, "app", "1");
  const { docker } = await daemon.job(undo, { binary, image: null });
  const output = await docker.ok(["pull", `${registry.host}/app:1`], { terminal: true, columns: 120 });
  assert.match(output, /: Waiting/);
  assert.match(output, /Downloading +\[=*> *\]/);
  assert.equal(screenOf(output).filter((line) => line), [
    "1: Pulling from app",
    ...image.layers.map((layer) => `${digestOf(layer).slice(7, 19)}: Pull complete`),
    `Digest: ${digest}`,
    `Status: Downloaded newer image for ${registry.host}/app:1`,
    `${registry.host}/app:1`,
  ]);
});

testWithEachCli(
  "pulls every tag of a repository, and leaves a moved one's image with its digest",
  async (undo, binary) => {
    const registry = await startRegistry(undo);
    const [one, two] = [await layered(1, 100), await layered(2, 100)];
    const digest = await registry.push(one, "app", "1");
    await registry.push(two, "app", "2");
    const { docker } = await daemon.job(undo, { binary, image: null });
    await docker.ok(["pull", "-a", `${registry.host}/app`]);
    await registry.push(two, "app", "1");
    await docker.ok(["pull", `${registry.host}/app:1`]);
    const shown = await docker.ok(["images", "--digests", ...format("{{.Tag}} {{.Digest}} {{.ID}}")]);
    assert.ok(shown.split("\n").includes(`<none> ${digest} ${one.id}`), shown);
    assert.is(await docker.ok(["images", "-q", "--no-trunc", "--filter", "dangling=true"]), one.id);
    assert.match(
      await docker.ok(["pull", "--platform", "linux/s390x", `${registry.host}/app:2`]),
      "WARNING: image with",
    );
  },
);

test("says in the CLI's own words why there is no search", async (undo) => {
  const { docker } = await daemon.job(undo, { image: null });
  const { code, stderr } = await docker.run(["search", "busybox"]);
  assert.is(code, 1);
  assert.match(stderr, "image search is not available");
});

test("serves dockerode the same", async (undo) => {
  const { socketPath } = await threeImages(undo);
  const client = new Dockerode({ socketPath });
  const image = client.getImage("old:1");
  assert.equal((await image.history()).length, 2);
  await image.tag({ repo: "again", tag: "2" });
  const filters = { reference: ["again"] };
  const [listed] = await client.listImages({ filters: JSON.stringify(filters) });
  assert.equal(listed!.RepoTags, ["again:2"]);
  assert.equal(await image.remove(), [{ Untagged: "old:1" }]);
  const { ImagesDeleted, SpaceReclaimed } = await client.pruneImages({
    filters: { dangling: { false: true } },
  });
  assert.ok(ImagesDeleted.some((each) => each.Untagged === "again:2"));
  assert.ok(SpaceReclaimed > 0);
  const refused = await client.getImage("old:1").inspect().then(() => undefined, (error) => error);
  assert.is(refused.json.message, "No such image: old:1");
});

test("tells dockerode how a pull gets on", async (undo) => {
  const registry = await startRegistry(undo);
  await registry.push(await layered(2, 100), "app", "1");
  const { socketPath } = await daemon.job(undo, { image: null });
  const client = new Dockerode({ socketPath });
  const lines = await new Promise<{ status: string }[]>((resolve, reject) =>
    client.pull(`${registry.host}/app:1`, {}, (error, stream) => {
      if (error) return reject(error);
      client.modem.followProgress(stream!, (failed, all) => failed ? reject(failed) : resolve(all));
    })
  );
  assert.is(lines.filter(({ status }) => status === "Pull complete").length, 2);
  assert.match(lines.at(-1)?.status ?? "", /^Status: Downloaded newer image for/);
});

test("ends a pull that fails after its first line with an error in the stream", async (undo) => {
  const registry = await startRegistry(undo);
  const image = await layered(1, 100);
  // The configuration promises another layer.
  const config = Buffer.from(
    image.config.toString().replace(digestOf(image.layers[0]!), digestOf(Buffer.from("x"))),
  );
  await registry.push({ ...image, config }, "lie", "1");
  const { socketPath, docker } = await daemon.job(undo, { image: null });
  const { status, text } = await call(
    socketPath,
    "POST",
    `/images/create?fromImage=${registry.host}/lie&tag=1`,
  );
  assert.is(status, 200);
  const last = JSON.parse(text.trim().split("\n").at(-1) ?? "");
  assert.match(last.errorDetail.message, /unpacks to/);
  assert.is(last.error, last.errorDetail.message);
  assert.is(await docker.ok(["images", "-aq"]), "");
});

async function threeImages(
  undo: Parameters<typeof daemon.job>[0],
  options: Parameters<typeof daemon.job>[1] = {},
) {
  const job: WireJob = await daemon.job(undo, { ...options, image: null });
  for (const [at, name] of ["old", "middle", "young"].entries()) {
    await loadImage(job.socketPath, {
      tags: [`${name}:1`],
      created: `2024-0${at + 1}-15T00:00:00Z`,
      config: { Labels: { stage: name }, Cmd: ["true"] },
      files: { "/name": { content: name } },
    });
  }
  return job;
}

/** An image of so many layers, each of so many bytes that no compression shrinks. */
async function layered(count: number, bytes: number): Promise<BuiltImage> {
  const contents = Array.from({ length: count }, () => randomBytes(bytes / 2).toString("hex"));
  const parts = await Promise.all(
    contents.map((content) => buildImage({ files: { "/noise": { content } } })),
  );
  const layers = parts.map((part) => part.layers[1]!);
  const { history: _, ...config } = JSON.parse(parts[0]!.config.toString());
  const bytesOfConfig = Buffer.from(
    JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: layers.map(digestOf) } }),
  );
  return { tags: [], id: digestOf(bytesOfConfig), config: bytesOfConfig, layers };
}

daemon.leavesNothing();
