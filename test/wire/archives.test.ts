/** Images in archives: saved, loaded and imported by clients that did not grow up with this engine. */
import Dockerode from "dockerode";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Undo } from "../../core/support/undo.ts";
import { digestOf, imageArchive } from "../support/busybox-image.ts";
import { call } from "../support/engine-api.ts";
import { assert, test } from "../support/test.ts";
import { loadImage, testWithEachCli, wire } from "../support/wire.ts";

const daemon = wire({ config: "[plugins.images]\nloadLimitBytes = 200000000" });

function folder(undo: Undo): string {
  const made = mkdtempSync(join(tmpdir(), "berth-archives-"));
  undo.add("folder", () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** The blobs of a saved archive by name, and its index. */
function blobsOf(undo: Undo, archive: string): { names: string[]; index: string } {
  const into = folder(undo);
  execFileSync("tar", ["-xf", archive, "-C", into]);
  const names = readdirSync(join(into, "blobs/sha256")).sort();
  for (const name of names) {
    assert.is(digestOf(readFileSync(join(into, "blobs/sha256", name))), `sha256:${name}`);
  }
  return { names, index: readFileSync(join(into, "index.json"), "utf8") };
}

const skopeo = (...args: string[]) =>
  execFileSync("skopeo", ["--insecure-policy", ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

testWithEachCli("save, load and save again keep every digest", async (undo, binary) => {
  const dir = folder(undo);
  const recipe = { tags: ["app:1", "team/app:2"], config: { Labels: { team: "x" } } };
  const one = await daemon.job(undo, { binary, image: recipe });
  await one.docker.ok(["save", "-o", join(dir, "first.tar"), "app:1", "team/app:2"]);
  const two = await daemon.job(undo, { binary, image: null });
  const printed = await two.docker.ok(["load", "-i", join(dir, "first.tar")]);
  assert.equal(printed.split("\n"), ["Loaded image: app:1", "Loaded image: team/app:2"]);
  assert.is(await two.docker.ok(["run", "--rm", "team/app:2", "echo", "runs"]), "runs");
  await two.docker.ok(["save", "-o", join(dir, "second.tar"), "app:1", "team/app:2"]);
  assert.ok(readFileSync(join(dir, "first.tar")).equals(readFileSync(join(dir, "second.tar"))));
});

test("skopeo copies out of archives and back, and digests survive", async (undo) => {
  const dir = folder(undo);
  const { docker } = await daemon.job(undo, { image: { tags: ["app:1"] } });
  const [saved, back] = [join(dir, "saved.tar"), join(dir, "back.tar")];
  await docker.ok(["save", "-o", saved, "app:1"]);
  const before = blobsOf(undo, saved);
  const id = await docker.ok(["images", "-q", "--no-trunc", "app:1"]);
  const config = (source: string) => digestOf(Buffer.from(skopeo("inspect", "--raw", "--config", source)));
  assert.is(config(`docker-archive:${saved}:app:1`), id);
  assert.is(config(`oci-archive:${saved}:1`), id);
  for (const kind of ["docker-archive", "oci-archive"]) {
    rmSync(back, { force: true });
    skopeo("copy", `oci-archive:${saved}:1`, `${kind}:${back}:by-${kind}:1`);
    const { docker: other } = await daemon.job(undo, { image: null });
    await other.ok(["load", "-i", back]);
    assert.is(await other.ok(["images", "-q", "--no-trunc"]), id);
    assert.is(await other.ok(["run", "--rm", id, "echo", "runs"]), "runs");
    await other.ok(["save", "-o", back, `by-${kind}:1`]);
    // An OCI archive of skopeo's compresses layers; Docker's own format does not.
    if (kind === "docker-archive") assert.equal(blobsOf(undo, back).names, before.names);
  }
});

test("skopeo speaks to a job as to a Docker daemon", async (undo) => {
  const dir = folder(undo);
  const { docker, socketPath } = await daemon.job(undo, { image: { tags: ["app:1"] } });
  const id = await docker.ok(["images", "-q", "--no-trunc", "app:1"]);
  const host = `unix://${socketPath}`;
  skopeo("copy", "--src-daemon-host", host, "docker-daemon:app:1", `docker-archive:${dir}/out.tar:app:1`);
  const two = await daemon.job(undo, { image: null });
  const other = `unix://${two.socketPath}`;
  skopeo(
    "copy",
    "--dest-daemon-host",
    other,
    `docker-archive:${dir}/out.tar:app:1`,
    "docker-daemon:copied:1",
  );
  assert.is(await two.docker.ok(["images", "-q", "--no-trunc", "copied:1"]), id);
  assert.is(await two.docker.ok(["run", "--rm", "copied:1", "echo", "runs"]), "runs");
});

test("compressed layers stay as they are, and so do those that zstd compressed", async (undo) => {
  const dir = folder(undo);
  const { docker } = await daemon.job(undo, { image: { tags: ["app:1"] } });
  await docker.ok(["save", "-o", join(dir, "plain.tar"), "app:1"]);
  for (const format of ["gzip", "zstd"]) {
    const archive = join(dir, `${format}.tar`);
    const [plain, packed] = [`oci-archive:${dir}/plain.tar:1`, `oci-archive:${archive}:app:1`];
    skopeo("copy", "--dest-compress-format", format, plain, packed);
    const before = blobsOf(undo, archive);
    const { docker: other } = await daemon.job(undo, { image: null });
    await other.ok(["load", "-i", archive]);
    assert.is(await other.ok(["run", "--rm", "app:1", "echo", "runs"]), "runs");
    await other.ok(["save", "-o", join(dir, "again.tar"), "app:1"]);
    assert.equal(blobsOf(undo, join(dir, "again.tar")).names, before.names);
  }
});

test("dockerode saves several images and loads them", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: { tags: ["app:1"] } });
  await loadImage(socketPath, { tags: ["app:2"], config: { Cmd: ["other"] } });
  const file = join(folder(undo), "saved.tar");
  const client = new Dockerode({ socketPath });
  // Without a tag all of the repository's images are meant.
  writeFileSync(file, await collected(await client.getImage("app").get()));
  const two = await daemon.job(undo, { image: null });
  const loaded = await new Dockerode({ socketPath: two.socketPath }).loadImage(file);
  const text = (await collected(loaded)).toString();
  assert.match(text, "Loaded image: app:1");
  assert.match(text, "Loaded image: app:2");
});

async function collected(stream: AsyncIterable<string | Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}

testWithEachCli("imports a root file system, and runs what the changes say", async (undo, binary) => {
  const dir = folder(undo);
  mkdirSync(join(dir, "root/bin"), { recursive: true });
  execFileSync("cp", ["/bin/busybox", join(dir, "root/bin/sh")]);
  const tar = execFileSync("tar", ["-C", join(dir, "root"), "-c", "."], { maxBuffer: 100_000_000 });
  const { docker } = await daemon.job(undo, { binary, image: null });
  const change = [
    "--change",
    'ENTRYPOINT ["/bin/sh", "-c"]',
    "--change",
    'CMD ["echo $A"]',
    "-c",
    "ENV A=changed",
  ];
  for (const [name, stdin] of [["plain", tar], ["packed", gzipSync(tar)]] as const) {
    const id = await docker.ok(["import", "-m", "by hand", ...change, "-", `${name}:1`], { stdin });
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.is(await docker.ok(["run", "--rm", `${name}:1`]), "changed");
    assert.is(
      await docker.ok(["inspect", "-f", "{{.Comment}} {{.RootFS.Layers}}", id]),
      `by hand [${digestOf(tar)}]`,
    );
    await docker.ok(["save", "-o", join(dir, "saved.tar"), `${name}:1`]);
  }
  const refused = await docker.run(["import", "-c", "RUN x", "-", "bad:1"], { stdin: tar });
  assert.match(refused.stderr, "RUN is not a valid change command");
});

test("a bomb stops at the limit, by load and by import, and leaves nothing", async (undo) => {
  const { docker, socketPath, dir } = await daemon.job(undo, { image: null });
  const file = join(folder(undo), "bomb");
  execFileSync("sh", ["-c", `head -c 2G /dev/zero | zstd -q -o ${file}`]);
  for (const path of ["/images/load", "/images/create?fromSrc=-"]) {
    const answer = await call(socketPath, "POST", path, { body: readFileSync(file) });
    assert.match(answer.text, /not a valid tar|larger than 200000000 bytes/);
  }
  const limits = await call(socketPath, "POST", "/images/create?fromSrc=-", { body: readFileSync(file) });
  assert.match(limits.text, "larger than 200000000 bytes");
  assert.equal(readdirSync(dir, { recursive: true }).filter((name) => String(name).includes("load-")), []);
  await docker.ok(["load"], { stdin: await imageArchive() });
});

test("an archive that names another job's layers gets nothing", async (undo) => {
  const dir = folder(undo);
  const one = await daemon.job(undo, {
    image: { tags: ["private:1"], files: { "/secret": { content: "s" } } },
  });
  await one.docker.ok(["save", "-o", join(dir, "private.tar"), "private:1"]);
  const into = join(dir, "x");
  mkdirSync(into);
  execFileSync("tar", ["-xf", join(dir, "private.tar"), "-C", into]);
  const [{ Layers }] = JSON.parse(readFileSync(join(into, "manifest.json"), "utf8"));
  for (const layer of Layers) rmSync(join(into, layer));
  const two = await daemon.job(undo, { image: null });
  const steal = async () => {
    const stolen = execFileSync("tar", ["-C", into, "-c", "."]);
    return await two.docker.run(["load"], { stdin: stolen });
  };
  const refused = await steal();
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /not in it|does not have the blob/);
  rmSync(join(into, "manifest.json"));
  assert.match((await steal()).stderr, /does not have the blob/);
  assert.is(await two.docker.ok(["images", "-aq"]), "");
  assert.is(await one.docker.ok(["run", "--rm", "private:1", "cat", "/secret"]), "s");
});

test("a client that goes in the middle of a save leaves nothing open", async (undo) => {
  const { socketPath, docker } = await daemon.job(undo, { image: { tags: ["app:1"] } });
  const gone = new AbortController();
  const asking = call(socketPath, "GET", "/images/app:1/get", { signal: gone.signal });
  gone.abort();
  await asking.catch(() => {});
  assert.is(await docker.ok(["run", "--rm", "app:1", "echo", "on"]), "on");
});

daemon.leavesNothing();
