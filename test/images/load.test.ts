import { execFileSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { linesOf, openArea, request } from "./area.ts";
import { dockerArchive, encode, ociArchive, smallImage, tarOf } from "./small-image.ts";

async function load(undo: Undo, archive: Uint8Array | AsyncIterable<Uint8Array>, query = { quiet: "1" }) {
  const area = await openArea(undo);
  const run = async () => await linesOf(area.load.load(request({ body: archive, query })));
  return { area, run };
}

async function refused(undo: Undo, archive: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> {
  const { area, run } = await load(undo, archive);
  const error = await rejection(run());
  assert.equal((await readdir(area.job.dir)).filter((name) => name.startsWith("load-")), []);
  assert.is(area.store.held.size, 0);
  return error.message;
}

/** Bytes of a client that then goes. */
async function* breaking(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
  throw new Error("client gone");
}

test("loads what docker save writes", async (undo) => {
  const image = await smallImage(["a", "b"]);
  const { area, run } = await load(undo, await dockerArchive(image, ["app:1", "registry.test/app:2"]));
  assert.equal(await run(), [
    { stream: "Loaded image: app:1\n" },
    { stream: "Loaded image: registry.test/app:2\n" },
  ]);
  assert.is(area.table.find("app:1").id, image.id);
  assert.equal((await readdir(area.job.dir)).sort(), ["images.json"]);
});

test("loads a gzip archive that arrives in small pieces", async (undo) => {
  const image = await smallImage(["a"]);
  const bytes = gzipSync(await dockerArchive(image, ["app:1"]));
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3);
  })();
  const { run } = await load(undo, pieces);
  assert.equal(await run(), [{ stream: "Loaded image: app:1\n" }]);
});

test("shows layers unless told to be quiet", async (undo) => {
  const image = await smallImage(["a"]);
  const { run } = await load(undo, await dockerArchive(image, []), { quiet: "0" });
  const lines = await run();
  const last = lines.pop();
  assert.equal(new Set(lines.map(({ status }) => status)), new Set(["Loading layer"]));
  const { current, total } = lines.at(-1)?.progressDetail as { current?: number; total?: number };
  assert.is(current, image.tars[0]!.length);
  assert.is(total, current);
  assert.equal(last, { stream: `Loaded image ID: ${image.id}\n` });
});

test("loads an OCI layout by the name its index gives", async (undo) => {
  const image = await smallImage(["a"]);
  const { area, run } = await load(
    undo,
    await ociArchive(image, { "org.opencontainers.image.ref.name": "app:1" }),
  );
  assert.equal(await run(), [{ stream: "Loaded image: app:1\n" }]);
  assert.is(area.table.find("app:1").manifest.digest, image.source.manifest.digest);
});

test("loads an OCI layout without a name by its ID", async (undo) => {
  const image = await smallImage(["a"]);
  const { run } = await load(undo, await ociArchive(image, { "org.opencontainers.image.ref.name": "1" }));
  assert.equal(await run(), [{ stream: `Loaded image ID: ${image.id}\n` }]);
});

test("refuses what is not an archive", async (undo) => {
  assert.match(await refused(undo, new TextEncoder().encode("garbage")), /^the archive is/);
  assert.is(await refused(undo, new Uint8Array()), "the archive is empty or not a tar");
  assert.match(await refused(undo, gzipSync("garbage").subarray(0, 15)), /^the archive is not valid gzip/);
  assert.match(
    await refused(undo, await tarOf({ file: "x" })),
    /^the archive is neither from docker save nor an OCI layout/,
  );
});

for (const program of ["zstd", "xz", "bzip2"]) {
  test(`loads an archive that ${program} compressed, and refuses half of it`, async (undo) => {
    const image = await smallImage(["a".repeat(300_000)]);
    const bytes = execFileSync(program, ["-c"], { input: await dockerArchive(image, ["app:1"]) });
    const { run } = await load(undo, bytes);
    assert.equal(await run(), [{ stream: "Loaded image: app:1\n" }]);
    assert.match(
      await refused(undo, bytes.subarray(0, bytes.length / 2)),
      new RegExp(`^the archive is not valid ${program}: `),
    );
    assert.is(await refused(undo, breaking(bytes.subarray(0, bytes.length / 2))), "client gone");
  });
}

test("refuses what a program unpacks to more than the limit", async (undo) => {
  const zeros = await tarOf({ big: new Uint8Array(2 * 1024 * 1024) });
  assert.match(
    await refused(undo, execFileSync("zstd", ["-c"], { input: zeros })),
    /^the archive is larger than 1048576 bytes/,
  );
});

test("names the compression when the host lacks its program", async (undo) => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  undo.add("PATH", () => void (process.env["PATH"] = path));
  assert.is(
    await refused(undo, new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0])),
    "the archive is compressed with zstd, and the host has no such program; send it plain or with gzip",
  );
});

test("refuses an archive that ends in the middle of a file", async (undo) => {
  const bytes = await dockerArchive(await smallImage(["a"]), ["app:1"]);
  assert.match(await refused(undo, bytes.subarray(0, 700)), /^the archive is not a valid tar/);
});

test("refuses an archive larger than the limit, packed or not", async (undo) => {
  const zeros = gzipSync(await tarOf({ big: new Uint8Array(2 * 1024 * 1024) }));
  assert.match(await refused(undo, zeros), /^the archive is larger than 1048576 bytes/);
});

test("never takes a name in the archive for a path of the host", async (undo) => {
  const entry = { Config: "/etc/passwd", RepoTags: ["app:1"], Layers: ["../../etc/shadow"] };
  assert.is(
    await refused(undo, await tarOf({ "manifest.json": encode([entry]), "../../tmp/evil": "x" })),
    "the archive's manifest.json names /etc/passwd, which is not in it",
  );
});

test("refuses names that are no references before anything is brought in", async (undo) => {
  const image = await smallImage(["a"]);
  assert.match(await refused(undo, await dockerArchive(image, ["good:1", "BAD"])), /must be lowercase$/);
});

test("refuses malformed manifests", async (undo) => {
  for (const body of [{}, [{}], [{ Config: 1, Layers: [] }], [{ Config: "a", Layers: "b" }], [null]]) {
    assert.match(
      await refused(undo, await tarOf({ "manifest.json": encode(body) })),
      /^manifest.json in the/,
    );
  }
  assert.match(
    await refused(
      undo,
      await tarOf({ "index.json": encode({ manifests: [{ digest: "sha256:../x", size: 1 }] }) }),
    ),
    /malformed$/,
  );
});

test("stops when the client goes in the middle of the archive and leaves no file", async (undo) => {
  const bytes = await dockerArchive(await smallImage(["a"]), ["app:1"]);
  assert.is(await refused(undo, breaking(bytes.subarray(0, 1000))), "client gone");
});
