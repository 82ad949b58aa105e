/** The cache of images over the life of real jobs: who goes first, who stays, and what jobs have from their start. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { berth } from "../cli/berth.ts";
import { tarOf } from "../contract/image-store-fixtures.ts";
import { buildImage, type BuiltImage, digestOf } from "../support/busybox-image.ts";
import { temporaryDir } from "../control/fakes.ts";
import { startDaemon, type TestDaemon, watchedDataDir } from "../support/daemon.ts";
import { Docker } from "../support/docker-cli.ts";
import { engineThings } from "../support/engine-things.ts";
import { freePort, registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { assert, eventually, test } from "../support/test.ts";
import { size } from "../support/wire.ts";
import type { Undo } from "../../core/support/undo.ts";

/** An image of one incompressible megabyte: two on disk, packed and unpacked. */
async function megabyte(): Promise<BuiltImage> {
  const layer = await tarOf({ "noise": randomBytes(1_000_000) });
  const config = Buffer.from(JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
  }));
  return { tags: [], id: digestOf(config), config, layers: [layer] };
}

const cached = async (daemon: TestDaemon): Promise<string[]> =>
  (await daemon.control.listCache({})).images.map(({ digest }) => digest);

/** Pulls in a job that closes right after. */
async function pullInPassing(undo: Undo, daemon: TestDaemon, reference: string): Promise<void> {
  const job = await daemon.job(undo);
  await new Docker(job.socketPath).ok(["pull", "-q", reference]);
  await job.close();
}

test("evicts the least recently used images when the cache is above highBytes, and none that a job holds", async (undo) => {
  const config = "[plugins.images.cache]\nhighBytes = 7000000\nlowBytes = 6500000\n";
  const daemon = await startDaemon(undo, { config });
  const registry = await startRegistry(undo);
  const digests: string[] = [];
  for (const tag of ["0", "1", "2", "3"]) digests.push(await registry.push(await megabyte(), "noise", tag));
  const live = await daemon.job(undo);
  const docker = new Docker(live.socketPath);
  await docker.ok(["pull", "-q", `${registry.host}/noise:0`]);
  await pullInPassing(undo, daemon, `${registry.host}/noise:1`);
  await pullInPassing(undo, daemon, `${registry.host}/noise:2`);
  // Used again: 2 is now the least recently used of those that may go.
  await pullInPassing(undo, daemon, `${registry.host}/noise:1`);
  assert.equal((await cached(daemon)).sort(), [digests[0], digests[1], digests[2]].sort());
  await pullInPassing(undo, daemon, `${registry.host}/noise:3`);
  await eventually("the eviction", async () => (await daemon.control.cacheStats({})).evictedImages > 0n);
  assert.equal((await cached(daemon)).sort(), [digests[0], digests[1], digests[3]].sort());
  assert.is((await docker.ok(["images", "-q"])).split("\n").length, 1);
  const { cacheBytes, evictedImages, evictedBytes } = await daemon.control.cacheStats({});
  assert.ok(cacheBytes < 6_500_000n && evictedImages === 1n && evictedBytes > 2_000_000n);
  assert.match(await daemon.log(), "images evicted");
  // What was evicted comes back when a job asks for it.
  await docker.ok(["pull", "-q", `${registry.host}/noise:2`]);
});

test("lists, counts and prunes the cache, and says what it did", async (undo) => {
  const daemon = await startDaemon(undo);
  const registry = await startRegistry(undo);
  const kept = await registry.push(await megabyte(), "team/kept", "1");
  const gone = await registry.push(await megabyte(), "team/gone", "1");
  const words = (...all: string[]) => berth("cache", ...all, "--data-dir", daemon.dataDir);
  const job = await daemon.job(undo, { id: "holder" });
  await new Docker(job.socketPath).ok(["pull", "-q", `${registry.host}/team/kept:1`]);
  await pullInPassing(undo, daemon, `${registry.host}/team/gone:1`);
  await pullInPassing(undo, daemon, `${registry.host}/team/gone:1`);
  const listed = (await words("ls")).stdout.split("\n");
  assert.match(listed[0]!, /^IMAGE +DIGEST +SIZE +UNIQUE +LAST USED +HELD BY$/);
  const line = listed.find((each) => each.includes("team/kept"))!;
  assert.ok(line.startsWith(`${registry.host}/team/kept   ${kept.slice(0, 19)}`), line);
  assert.match(line, / 2(\.\d+)?MB +2(\.\d+)?MB +(just now|\d+ seconds? ago) +holder$/);
  assert.match(
    (await words("stats")).stdout,
    /^images: +2, 1 held by jobs, 0 preloaded\nsize: +4(\.\d+)?MB\n/,
  );
  assert.match((await words("stats")).stdout, /\npulls: +1 from the cache, 2 downloaded\n/);
  assert.is((await words("prune", "--older-than", "1h")).stdout, "0 images removed, 0B freed\n");
  assert.is((await words("prune")).stdout, "0 images removed, 0B freed\n");
  const pruned = await words("prune", "--all");
  const removed = `removed ${registry.host}/team/gone@${gone.slice(0, 19)}\n1 image removed, `;
  assert.ok(pruned.stdout.startsWith(removed), pruned.stdout + pruned.stderr);
  assert.match(pruned.stdout, /, 2(\.\d+)?MB freed\n$/);
  assert.equal(await cached(daemon), [kept]);
});

test("gives every job the preloaded images when their registry comes up late", async (undo) => {
  const port = await freePort();
  const reference = `127.0.0.1:${port}/base:1`;
  const login = join(await temporaryDir(undo), "config.json");
  const config = `[plugins.images]\npreload = ["${reference}"]\npreloadCredentials = "${login}"\n`;
  await writeFile(
    login,
    JSON.stringify({
      auths: { [`127.0.0.1:${port}`]: { auth: btoa(`${registryUser}:${registryPassword}`) } },
    }),
  );
  const daemon = await startDaemon(undo, { config });
  const early = await daemon.job(undo);
  const cli = (job: { socketPath: string }) => new Docker(job.socketPath);
  assert.is(await cli(early).ok(["images", "-q"]), "");
  await eventually(
    "the warning",
    async () => /preloaded image \S+ is not there yet/.test((await cli(early).run(["info"])).stderr),
  );
  const image = await buildImage();
  const registry = await startRegistry(undo, { port, auth: true });
  const digest = await registry.push(image, "base", "1");
  await eventually("the image to come", async () => (await cached(daemon)).length === 1, 30_000);
  await eventually("the log", async () => (await daemon.log()).includes("image preloaded"));
  const [one, two] = [await daemon.job(undo), await daemon.job(undo)];
  assert.is(
    await cli(one).ok(["images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}"]),
    `${reference} ${digest}`,
  );
  // Nothing of it is the jobs' own, not even a lease.
  assert.equal(await engineThings(daemon.dataDir), []);
  for (const name of [reference, image.id, image.id.slice(7, 19), `127.0.0.1:${port}/base@${digest}`]) {
    assert.is(await cli(one).ok(["run", "--rm", "--pull", "never", name, "echo", "ran"]), "ran");
  }
  await cli(one).ok(["rmi", "-f", reference]);
  assert.is(await cli(one).ok(["images", "-q"]), "");
  assert.is(await cli(two).ok(["images", "-q", "--no-trunc"]), image.id);
  assert.is((await daemon.control.listCache({})).images[0]!.preloaded, true);
  const { removed } = await daemon.control.pruneCache({ what: { case: "all", value: true } });
  assert.equal(removed, []);
  assert.is(await cli(two).ok(["run", "--rm", reference, "echo", "ran"]), "ran");
  assert.is((await cli(two).run(["info"])).stderr.includes("preloaded image"), false);
});

test("a daemon killed in the middle of an eviction leaves a store that the next one uses", async (undo) => {
  const dataDir = await watchedDataDir(undo);
  const registry = await startRegistry(undo);
  const tags = ["0", "1", "2", "3"];
  for (const tag of tags) await registry.push(await megabyte(), "noise", tag);
  for (const afterMs of [4, 0, 12].slice(0, size(3, 1))) {
    const first = await startDaemon(undo, { dataDir });
    const job = await first.job(undo);
    await new Docker(job.socketPath).ok(["pull", "-aq", `${registry.host}/noise`]);
    await job.close();
    const pruning = first.control.pruneCache({ what: { case: "all", value: true } }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await first.kill();
    await pruning;
    const second = await startDaemon(undo, { dataDir });
    const next = await second.job(undo);
    const docker = new Docker(next.socketPath);
    await docker.ok(["pull", "-aq", `${registry.host}/noise`]);
    assert.is((await docker.ok(["images", "-q"])).split("\n").length, tags.length);
    assert.is((await cached(second)).length, tags.length);
    await next.close();
    const { removed } = await second.control.pruneCache({ what: { case: "all", value: true } });
    assert.is(removed.length, tags.length);
    assert.is((await second.control.cacheStats({})).cacheBytes, 0n);
    await second.stop();
  }
});
