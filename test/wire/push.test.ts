/** Pushing with the docker CLI and dockerode to a real registry; skopeo looks at what arrived. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setInterval } from "node:timers";
import { promisify } from "node:util";
import Dockerode from "dockerode";
import type { Undo } from "../../core/support/undo.ts";
import { buildImage, digestOf } from "../support/busybox-image.ts";
import { call, must } from "../support/engine-api.ts";
import { registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { serve } from "../support/http-server.ts";
import { assert, eventually, test } from "../support/test.ts";
import { loadImage, size, testWithEachCli, wire } from "../support/wire.ts";

const daemon = wire();
const skopeo = async (...args: readonly string[]) =>
  (await promisify(execFile)("skopeo", args)).stdout.trim();

testWithEachCli("pushes a loaded image, and the second time there is nothing to do", async (undo, binary) => {
  const { host } = await startRegistry(undo);
  const { docker } = await daemon.job(undo, { binary, image: { files: { "/x": { content: "x" } } } });
  await docker.ok(["tag", "busybox", `${host}/team/app:1`]);
  const first = await docker.ok(["push", `${host}/team/app:1`]);
  const second = await docker.ok(["push", `${host}/team/app:1`]);
  const image = await buildImage({ files: { "/x": { content: "x" } } });
  const ids = image.layers.map((layer) => digestOf(layer).slice(7, 19));
  assert.match(first, `The push refers to repository [${host}/team/app]`);
  for (const id of ids) {
    assert.match(first, `${id}: Pushed`);
    assert.match(second, `${id}: Layer already exists`);
  }
  const lastLine = (printed: string) => printed.split("\n").at(-1);
  assert.match(lastLine(first)!, /^1: digest: sha256:[0-9a-f]{64} size: \d+$/);
  assert.is(lastLine(second), lastLine(first));
});

testWithEachCli(
  "pull, push and pull in another job: same digest, same configuration",
  async (undo, binary) => {
    const [from, to] = [await startRegistry(undo), await startRegistry(undo, { auth: true })];
    const image = await buildImage({ files: { "/y": { content: "y" } } });
    const digest = await from.push(image, "app", "1");
    const [one, two] = [
      await daemon.job(undo, { binary, image: null }),
      await daemon.job(undo, { binary, image: null }),
    ];
    for (const { docker } of [one, two]) docker.keepCredentials(to.host, registryUser, registryPassword);
    await one.docker.ok(["pull", `${from.host}/app:1`]);
    await one.docker.ok(["tag", `${from.host}/app:1`, `${to.host}/copy:2`]);
    assert.match(await one.docker.ok(["push", `${to.host}/copy:2`]), `2: digest: ${digest} size: `);
    assert.match(await two.docker.ok(["pull", `${to.host}/copy:2`]), `Digest: ${digest}`);
    const named = await two.docker.ok(["images", "-q", "--no-trunc", `${to.host}/copy:2`]);
    assert.is(named, digestOf(image.config));
    assert.is(await two.docker.ok(["run", "--rm", `${to.host}/copy:2`, "cat", "/y"]), "y");
    const pushedBy = ["inspect", "--format", "{{.RepoDigests}}", `${to.host}/copy:2`];
    assert.match(await one.docker.ok(pushedBy), `${to.host}/copy@${digest}`);
  },
);

test("skopeo reads what was pushed, under the digest that push told", async (undo) => {
  const { host } = await startRegistry(undo);
  const { docker } = await daemon.job(undo);
  await docker.ok(["tag", "busybox", `${host}/app:1`]);
  const told = /digest: (\S+)/.exec(await docker.ok(["push", `${host}/app:1`]))?.[1];
  const inspected = JSON.parse(await skopeo("inspect", "--tls-verify=false", `docker://${host}/app:1`));
  assert.is(inspected.Digest, told);
  const config = await skopeo("inspect", "--config", "--raw", "--tls-verify=false", `docker://${host}/app:1`);
  assert.is(digestOf(Buffer.from(config)), (await buildImage()).id);
});

testWithEachCli("pushes all tags of a repository", async (undo, binary) => {
  const { host } = await startRegistry(undo);
  const { docker } = await daemon.job(undo, { binary });
  for (const tag of ["a", "b"]) await docker.ok(["tag", "busybox", `${host}/app:${tag}`]);
  const printed = await docker.ok(["push", "-a", `${host}/app`]);
  assert.match(printed, /^a: digest: sha256:/m);
  assert.match(printed, /^b: digest: sha256:/m);
  const { tags } = await (await fetch(`http://${host}/v2/app/tags/list`)).json() as { tags: string[] };
  assert.equal(tags.sort(), ["a", "b"]);
});

testWithEachCli("mounts layers from where the job pulled or pushed them", async (undo, binary) => {
  const registry = await startRegistry(undo);
  await registry.push(await buildImage(), "base", "1");
  const { docker } = await daemon.job(undo, { binary, image: null });
  await docker.ok(["pull", `${registry.host}/base:1`]);
  await docker.ok(["tag", `${registry.host}/base:1`, `${registry.host}/team/derived:1`]);
  assert.match(await docker.ok(["push", `${registry.host}/team/derived:1`]), "Mounted from base");
});

testWithEachCli("says what cannot be pushed, in Docker's words", async (undo, binary) => {
  const { host } = await startRegistry(undo, { auth: true });
  const { docker } = await daemon.job(undo, { binary });
  await docker.ok(["tag", "busybox", `${host}/app:1`]);
  const refused = async (...args: string[]) => {
    const { code, stderr } = await docker.run(["push", ...args]);
    assert.is(code, 1);
    return stderr.trim();
  };
  assert.is(
    await refused(`${host}/other:1`),
    `An image does not exist locally with the tag: ${host}/other`,
  );
  assert.is(await refused(`${host}/app:2`), `tag does not exist: ${host}/app:2`);
  assert.is(await refused(`${host}/app:1`), "no basic auth credentials");
  docker.keepCredentials(host, registryUser, "wrong");
  assert.is(await refused(`${host}/app:1`), "unauthorized: authentication required");
});

test("another job's image cannot be pushed", async (undo) => {
  const { host } = await startRegistry(undo);
  const [one, two] = [await daemon.job(undo), await daemon.job(undo, { image: null })];
  await one.docker.ok(["tag", "busybox", `${host}/app:1`]);
  const { code, stderr } = await two.docker.run(["push", `${host}/app:1`]);
  assert.is(code, 1);
  assert.match(stderr, "An image does not exist locally");
});

test("dockerode pushes, and follows the progress to its end", async (undo) => {
  const { host } = await startRegistry(undo);
  const { socketPath } = await daemon.job(undo);
  const client = new Dockerode({ socketPath });
  const image = client.getImage("busybox");
  await image.tag({ repo: `${host}/app`, tag: "1" });
  const stream = await client.getImage(`${host}/app`).push({ tag: "1", authconfig: {} });
  const lines = await new Promise<{ aux?: { Tag?: string; Digest?: string } }[]>((resolve, reject) =>
    client.modem.followProgress(stream, (error, output) => error ? reject(error) : resolve(output))
  );
  const { Tag, Digest } = lines.at(-1)?.aux ?? {};
  assert.is(Tag, "1");
  const accept = "application/vnd.docker.distribution.manifest.v2+json";
  const { headers } = await fetch(`http://${host}/v2/app/manifests/1`, {
    method: "HEAD",
    headers: { accept },
  });
  assert.is(headers.get("docker-content-digest"), Digest);
});

test("the platform parameter must fit the image", async (undo) => {
  const { host } = await startRegistry(undo);
  const { socketPath, docker } = await daemon.job(undo);
  await docker.ok(["tag", "busybox", `${host}/app:1`]);
  const path = (version: string, platform: string) =>
    `${version}/images/${host}/app/push?tag=1&platform=${encodeURIComponent(platform)}`;
  const s390x = JSON.stringify({ os: "linux", architecture: "s390x" });
  const refused = await must(404, socketPath, "POST", path("", s390x));
  assert.match(refused.json.message, "does not match the specified platform (linux/s390x)");
  await must(400, socketPath, "POST", path("", "linux/amd64"));
  await must(200, socketPath, "POST", path("/v1.45", "linux/amd64"));
});

test("an index survives pull and push when all of it is at hand", async (undo) => {
  const [from, to] = [await startRegistry(undo), await startRegistry(undo)];
  const manifest = await from.push(await buildImage(), "app", "1");
  const index = await putIndex(from.host, "app", [manifest]);
  const { docker } = await daemon.job(undo, { image: null });
  await docker.ok(["pull", `${from.host}/app:multi`]);
  await docker.ok(["tag", `${from.host}/app:multi`, `${to.host}/app:1`]);
  assert.match(await docker.ok(["push", `${to.host}/app:1`]), `1: digest: ${index}`);
  assert.is(
    (await (await fetch(`http://${to.host}/v2/app/manifests/${index}`, acceptIndex)).json()).manifests.length,
    1,
  );
});

test("without the rest of the index its platform's manifest goes out, and the CLI tells", async (undo) => {
  const [from, to] = [await startRegistry(undo), await startRegistry(undo)];
  const manifest = await from.push(await buildImage(), "app", "1");
  const other = await from.push(await buildImage({ config: { Labels: { for: "s390x" } } }), "app", "2");
  await putIndex(from.host, "app", [manifest, other]);
  const { docker } = await daemon.job(undo, { image: null });
  await docker.ok(["pull", `${from.host}/app:multi`]);
  await docker.ok(["tag", `${from.host}/app:multi`, `${to.host}/app:1`]);
  const printed = await docker.ok(["push", `${to.host}/app:1`]);
  assert.match(printed, `1: digest: ${manifest}`);
  assert.match(printed, /Not all of sha256:\w+ is present/);
});

test("a client that goes away in the middle leaves no upload behind", async (undo) => {
  const { host, uploads } = await startSlowRegistry(undo);
  const { socketPath, docker } = await daemon.job(undo);
  await docker.ok(["tag", "busybox", `${host}/app:1`]);
  const controller = new AbortController();
  const pushing = call(socketPath, "POST", `/images/${host}/app/push?tag=1`, { signal: controller.signal });
  await eventually("an upload to be open", () => uploads.size > 0);
  controller.abort();
  await pushing.catch(() => {});
  await eventually("the upload to be taken back", () => uploads.size === 0);
});

test("the daemon's memory stays flat while a large layer goes out", async (undo) => {
  const { host } = await startRegistry(undo);
  const { socketPath } = await daemon.job(undo, { image: null });
  const content = randomBytes(size(300_000_000, 100_000_000) / 2).toString("hex");
  await loadImage(socketPath, { tags: [`${host}/app:1`], files: { "/large": { content } } });
  const { pid } = await daemon.daemon();
  const before = await residentMib(pid);
  let most = before;
  const watch = setInterval(async () => most = Math.max(most, await residentMib(pid)), 50);
  undo.add("watch", () => clearInterval(watch));
  const { text } = await must(200, socketPath, "POST", `/images/${host}/app/push?tag=1`);
  assert.match(text, `"Tag":"1"`);
  assert.ok(most - before < 80, `${before} MiB became ${most} MiB`);
});

const indexType = "application/vnd.oci.image.index.v1+json";
const acceptIndex = { headers: { accept: indexType } };

/** Puts an index as `multi`: the first manifest is for this machine, the others for another. */
async function putIndex(host: string, repository: string, manifests: readonly string[]): Promise<string> {
  const mediaType = "application/vnd.docker.distribution.manifest.v2+json";
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const entries = await Promise.all(manifests.map(async (digest, at) => {
    const answer = await fetch(`http://${host}/v2/${repository}/manifests/${digest}`, {
      headers: { accept: mediaType },
    });
    const size = (await answer.arrayBuffer()).byteLength;
    return {
      mediaType,
      digest,
      size,
      platform: { os: "linux", architecture: at === 0 ? architecture : "s390x" },
    };
  }));
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: entries }));
  const url = `http://${host}/v2/${repository}/manifests/multi`;
  const put = await fetch(url, {
    method: "PUT",
    headers: { "content-type": indexType },
    body: new Uint8Array(body),
  });
  assert.is(put.status, 201, await put.text());
  return digestOf(body);
}

/** A registry that takes bytes of uploads and never says that it has them. */
async function startSlowRegistry(undo: Undo) {
  const uploads = new Set<string>();
  const host = await serve(undo, (request, response) => {
    request.resume().on("error", () => {});
    if (request.method === "POST") {
      const location = `/v2/app/blobs/uploads/${uploads.size + 1}`;
      uploads.add(location);
      return void response.writeHead(202, { location }).end();
    }
    if (request.method === "DELETE") {
      uploads.delete(request.url!);
      return void response.writeHead(204).end();
    }
    if (request.method !== "PUT" && request.method !== "PATCH") response.writeHead(404).end();
  });
  return { host, uploads };
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

daemon.leavesNothing();
