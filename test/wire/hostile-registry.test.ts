/** Registries that lie, break or stall: a clear error each, and the next image runs as if nothing had been. */
import { existsSync, rmSync, statfsSync } from "node:fs";
import { createGzip, gzipSync } from "node:zlib";
import { Readable } from "node:stream";
import { createHash } from "node:crypto";
import { pack } from "tar-stream";
import type { Undo } from "../../core/support/undo.ts";
import { gzippedLayer, type Layer, layerOf, plainLayer, sha256 } from "../contract/image-store-fixtures.ts";
import { buildImage } from "../support/busybox-image.ts";
import { call, must } from "../support/engine-api.ts";
import { type FakeRegistry, startFakeRegistry } from "../support/fake-registry.ts";
import { assert, eventually, test } from "../support/test.ts";
import { size, wire, type WireJob } from "../support/wire.ts";

const mib = 1024 * 1024;
const layerLimitBytes = 64 * mib;
const daemon = wire({
  config: `[plugins.registry]\nresponseTimeoutMs = 1500\nidleTimeoutMs = 1000\n
[plugins.containerd]\nmaxLayerBytes = ${layerLimitBytes}\n`,
});

interface Scene {
  readonly registry: FakeRegistry;
  readonly job: WireJob;
  /** Pulls `app:tag`; the error's message, or nothing when it went well. */
  pull(tag: string, headers?: Record<string, string>): Promise<string>;
}

async function scene(undo: Undo): Promise<Scene> {
  const registry = await startFakeRegistry(undo);
  const job = await daemon.job(undo, { image: null });
  const pull = async (tag: string, headers = {}) => {
    const path = `/images/create?fromImage=${registry.host}/app&tag=${tag}`;
    const answer = await call(job.socketPath, "POST", path, { headers });
    if (answer.status !== 200) return answer.json.message as string;
    return JSON.parse(answer.text.trim().split("\n").at(-1) ?? "{}").errorDetail?.message ?? "" as string;
  };
  return { registry, job, pull };
}

/** The store is as it was: an honest image comes whole and runs, for this job and for another one. */
async function staysIntact(undo: Undo, { registry, job }: Scene): Promise<void> {
  registry.answer = () => false;
  registry.put("honest:1", [await busyboxLayer()]);
  for (const { docker } of [job, await daemon.job(undo, { image: null })]) {
    assert.is(await docker.ok(["run", "--rm", `${registry.host}/honest:1`, "echo", "intact"]), "intact");
    assert.match(await docker.ok(["images"]), "honest");
    assert.not.match(await docker.ok(["images"]), "/app");
  }
}

const emptyMember = gzipSync(Buffer.alloc(0));
let copies = 0;

/** Other bytes each time, with the same files: what one job pulled as nobody is there for all the others. */
async function busyboxLayer(): Promise<Layer> {
  const { blob, diffId, descriptor } = gzippedLayer((await buildImage()).layers[0]!);
  const copy = Buffer.concat([blob, ...Array<Buffer>(++copies).fill(emptyMember)]);
  return { blob: copy, diffId, descriptor: { ...descriptor, digest: sha256(copy), sizeBytes: copy.length } };
}

test("refuses a layer with other bytes", async (undo) => {
  const all = await scene(undo);
  const layer = await busyboxLayer();
  all.registry.put("app:1", [layer]);
  const corrupt = Buffer.from(layer.blob);
  corrupt[corrupt.length >> 1]! ^= 1;
  all.registry.blobs.set(layer.descriptor.digest, corrupt);
  assert.match(await all.pull("1"), "other bytes than its digest says");
  await staysIntact(undo, all);
});

test("refuses a layer that always ends early", async (undo) => {
  const all = await scene(undo);
  const layer = await busyboxLayer();
  all.registry.put("app:1", [layer]);
  all.registry.blobs.set(layer.descriptor.digest, layer.blob.subarray(0, 1000));
  assert.match(await all.pull("1"), /ended (early|after)|early/);
  await staysIntact(undo, all);
});

test("reads on where a registry closed the connection in the middle of a layer", async (undo) => {
  const { registry, job, pull } = await scene(undo);
  const layer = await busyboxLayer();
  registry.put("app:1", [layer]);
  let breaks = 2;
  registry.answer = (request, response) => {
    const isWhole = request.url?.endsWith(layer.descriptor.digest) && !request.headers.range;
    if (!isWhole || breaks-- <= 0) return false;
    response.writeHead(200, { "content-length": layer.blob.length });
    response.write(layer.blob.subarray(0, 100_000), () => response.destroy());
  };
  assert.is(await pull("1"), "");
  const ranges = registry.requests.filter(({ headers }) => headers.range?.startsWith("bytes="));
  assert.ok(ranges.length > 0, "nothing was resumed");
  assert.is(await job.docker.ok(["run", "--rm", `${registry.host}/app:1`, "echo", "whole"]), "whole");
});

test("refuses a layer that unpacks to more than the limit, and the disk is as it was", async (undo) => {
  const all = await scene(undo);
  all.registry.put("app:1", [await layerOfZeros(size(10_000 * mib, 400 * mib))]);
  const before = freeBytes();
  assert.match(await all.pull("1"), `unpacks to more than ${layerLimitBytes} bytes (maxLayerBytes)`);
  await eventually("the disk to be as it was", () => before - freeBytes() < layerLimitBytes / 2);
  await staysIntact(undo, all);
});

test("keeps files that name places outside of the image inside", async (undo) => {
  const { registry, job, pull } = await scene(undo);
  const outside = `/tmp/berth-escaped-${process.pid}`;
  undo.add("what escaped", () => rmSync(outside, { force: true }));
  const escaping = await tarOfEntries([
    { name: `../../../../../../../../..${outside}` },
    { name: outside },
    { name: "link", linkname: "/tmp", type: "symlink" },
    { name: `link/${outside.slice(5)}` },
    { name: "deep/../../../../../../../.." + outside },
  ]);
  registry.put("app:1", [await busyboxLayer(), plainLayer(escaping)]);
  const refused = await pull("1");
  assert.not(existsSync(outside), "a layer wrote outside of its root");
  if (refused) return assert.match(refused, "cannot unpack");
  const listed = await job.docker.ok(["run", "--rm", `${registry.host}/app:1`, "ls", "/tmp"]);
  assert.match(listed, outside.slice(5));
});

test("gives a container no access to a device that its image brings", async (undo) => {
  const { registry, job, pull } = await scene(undo);
  const devices = await tarOfEntries([
    { name: "memory", type: "character-device", devmajor: 1, devminor: 1, mode: 0o666 },
    { name: "disk", type: "block-device", devmajor: 254, devminor: 0, mode: 0o666 },
  ]);
  registry.put("app:1", [await busyboxLayer(), plainLayer(devices)]);
  assert.is(await pull("1"), "");
  for (const device of ["/memory", "/disk"]) {
    const read = ["run", "--rm", `${registry.host}/app:1`, "head", "-c", "1", device];
    assert.match((await job.docker.run(read)).stderr, /Operation not permitted|No such device/);
  }
});

test("refuses a manifest of 10,000 layers and one that claims 200 GB", async (undo) => {
  const all = await scene(undo);
  const { descriptor: { mediaType, digest } } = await busyboxLayer();
  const layer = { mediaType, digest, size: 100 };
  all.registry.put("app:many", [], { layers: Array.from({ length: 10_000 }, () => layer) });
  assert.match(await all.pull("many"), "10000 layers");
  all.registry.put("app:large", [], { layers: [{ ...layer, size: 200_000_000_000 }] });
  all.registry.requests.length = 0;
  assert.match(await all.pull("large"), /\d+ bytes/);
  assert.not.ok(all.registry.requests.some(({ url }) => url?.includes("/blobs/")));
  await staysIntact(undo, all);
});

test("gives up a registry that says nothing, or stops in the middle", async (undo) => {
  const all = await scene(undo);
  const layer = await busyboxLayer();
  all.registry.put("app:1", [layer]);
  all.registry.answer = () => {};
  assert.match(await all.pull("1"), /Client.Timeout|no answer/);
  all.registry.answer = (request, response) => {
    if (!request.url?.endsWith(layer.descriptor.digest)) return false;
    response.writeHead(200, { "content-length": layer.blob.length });
    response.write(layer.blob.subarray(0, 10));
  };
  assert.match(await all.pull("1"), /sent nothing for|cannot read/);
  await staysIntact(undo, all);
});

test("a job whose pull hangs closes at once", async (undo) => {
  const registry = await startFakeRegistry(undo);
  registry.answer = () => {};
  const { control } = await daemon.daemon();
  const { job } = await control.openJob({ id: `hang-${process.pid}` });
  const pulling = call(job!.socketPath, "POST", `/images/create?fromImage=${registry.host}/app&tag=1`)
    .catch(() => undefined);
  await eventually("the registry to be asked", () => registry.requests.length > 0);
  const started = Date.now();
  assert.equal((await control.closeJob({ id: job!.id })).failures, []);
  assert.ok(Date.now() - started < 1_000, `closing took ${Date.now() - started} ms`);
  await pulling;
});

test("ends when a registry wants authentication again and again, or says it in garbage", async (undo) => {
  const all = await scene(undo);
  const headers = { "X-Registry-Auth": btoa(JSON.stringify({ username: "u", password: "p" })) };
  for (
    const challenge of ["Basic realm=x", 'Bearer realm="http://HOST/token"', '\u00e4\u00f6=,,"', "Digest x"]
  ) {
    all.registry.answer = (request, response) => {
      if (request.url?.startsWith("/token")) return void response.end(JSON.stringify({ token: "t" }));
      const text = challenge.replace("HOST", all.registry.host);
      response.writeHead(401, { "www-authenticate": text }).end("}garbage{");
    };
    all.registry.requests.length = 0;
    assert.ok(await all.pull("1", headers), `${challenge} was taken`);
    assert.ok(all.registry.requests.length < 8, `${all.registry.requests.length} requests for ${challenge}`);
  }
  await staysIntact(undo, all);
});

test("shows credentials to the registry alone, not to where it points", async (undo) => {
  const { registry, job, pull } = await scene(undo);
  const other = await startFakeRegistry(undo);
  const layer = await busyboxLayer();
  registry.put("app:1", [layer]);
  other.blobs.set(layer.descriptor.digest, layer.blob);
  registry.answer = (request, response) => {
    if (!request.headers.authorization) {
      response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
      return true;
    }
    if (!request.url?.endsWith(layer.descriptor.digest)) return false;
    response.writeHead(307, { location: `http://${other.host}${request.url}` }).end();
  };
  const secret = { username: "user", password: "very-secret" };
  assert.is(await pull("1", { "X-Registry-Auth": btoa(JSON.stringify(secret)) }), "");
  assert.ok(other.requests.length > 0);
  for (const { headers } of other.requests) {
    assert.not("authorization" in headers);
    assert.not("cookie" in headers);
  }
  await job.docker.ok(["image", "inspect", `${registry.host}/app:1`]);
  assert.not.match(await (await daemon.daemon()).log(), "very-secret");
});

test("an image that lies about what is in it does not get another one's place", async (undo) => {
  const all = await scene(undo);
  const real = await busyboxLayer();
  const evil = await layerOf({ "bin/": "", "bin/sh": "evil" });
  all.registry.put("app:1", [evil], { diffIds: [real.diffId] });
  assert.match(await all.pull("1"), "unpacks to");
  await staysIntact(undo, all);
});

test("a registry that names another job's private layers gets nothing of them", async (undo) => {
  const owner = await daemon.job(undo, { image: null });
  const mine = await startFakeRegistry(undo);
  const secret = await layerOf({ "secret": `only mine ${process.pid}` });
  mine.put("private:1", [await busyboxLayer(), secret]);
  mine.answer = (request, response) => {
    if (request.headers.authorization) return false;
    response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
  };
  const headers = { "X-Registry-Auth": btoa(JSON.stringify({ username: "me", password: "x" })) };
  const path = `/images/create?fromImage=${mine.host}/private&tag=1`;
  await must(200, owner.socketPath, "POST", path, { headers });
  await owner.docker.ok(["image", "inspect", `${mine.host}/private:1`]);

  const all = await scene(undo);
  all.registry.put("app:1", [await busyboxLayer(), secret]);
  all.registry.blobs.delete(secret.descriptor.digest);
  assert.ok(await all.pull("1"), "the thief got the layer");
  const bait = await layerOf({ "bait": "" });
  all.registry.put("app:2", [await busyboxLayer(), bait], {
    diffIds: [(await busyboxLayer()).diffId, secret.diffId],
  });
  assert.match(await all.pull("2"), "unpacks to");
  await staysIntact(undo, all);
});

daemon.leavesNothing();

function freeBytes(): number {
  const { bavail, bsize } = statfsSync("/tmp");
  return bavail * bsize;
}

/** A layer with one file of zeros; gzip makes a thousandth of it. */
async function layerOfZeros(sizeBytes: number): Promise<Layer> {
  const tar = pack();
  const entry = tar.entry({ name: "zeros", size: sizeBytes });
  Readable.from(zeros(sizeBytes)).pipe(entry as unknown as NodeJS.WritableStream);
  const chunks: Buffer[] = [];
  const content = createHash("sha256");
  const compressed = createGzip({ level: 1 });
  const collect = (async () => {
    for await (const chunk of compressed) chunks.push(chunk as Buffer);
  })();
  entry.on("finish", () => tar.finalize());
  for await (const chunk of tar) {
    content.update(chunk as Buffer);
    if (!compressed.write(chunk)) await new Promise((resolve) => compressed.once("drain", resolve));
  }
  compressed.end();
  await collect;
  const blob = Buffer.concat(chunks);
  return {
    blob,
    diffId: `sha256:${content.digest("hex")}`,
    descriptor: {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: `sha256:${createHash("sha256").update(blob).digest("hex")}`,
      sizeBytes: blob.length,
    },
  };
}

function* zeros(sizeBytes: number): Iterable<Buffer> {
  const chunk = Buffer.alloc(mib);
  for (let left = sizeBytes; left > 0; left -= mib) yield left < mib ? chunk.subarray(0, left) : chunk;
}

async function tarOfEntries(entries: readonly Record<string, unknown>[]): Promise<Buffer> {
  const tar = pack();
  for (const header of entries) {
    const isFile = header.type === undefined;
    if (isFile) tar.entry(header as never, "content");
    else tar.entry({ ...header, size: 0 } as never);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
