/** Archives by somebody who means harm, or whose disk did. */
import { readdir } from "node:fs/promises";
import { type Header, pack } from "tar-stream";
import { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { linesOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { dockerArchive, encode, ociArchive, smallImage, tarOf } from "./small-image.ts";

type Area = Awaited<ReturnType<typeof openArea>>;

const load = (area: Area, body: Uint8Array | AsyncIterable<Uint8Array>) =>
  linesOf(area.load.load(request({ body, query: { quiet: "1" } })));

/** What an archive is refused with; the job has nothing of it then, and nothing lies around. */
async function refused(area: Area, body: Uint8Array): Promise<ApiError> {
  const error = await rejection(load(area, body));
  assert.ok(error instanceof ApiError, `${error.stack}`);
  assert.ok([400, 413].includes((error as ApiError).status), error.message);
  assert.ok(error.message.length < 1_000);
  await leftNothing(area);
  assert.is(area.table.list().length, 0);
  return error as ApiError;
}

async function leftNothing({ job }: Area): Promise<void> {
  assert.equal((await readdir(job.dir)).filter((name) => name !== "images.json"), []);
}

interface RawEntry extends Partial<Header> {
  readonly name: string;
  readonly content?: Uint8Array | string;
}

/** A tar with headers as they are given. */
async function rawTar(entries: readonly RawEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry({ ...header }, Buffer.from(content ?? ""));
  tar.finalize();
  const parts: Uint8Array[] = [];
  for await (const chunk of tar as unknown as AsyncIterable<Uint8Array>) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Another type than the library writes; the checksum is made right again. */
function withType(tar: Buffer, at: number, type: string): Buffer {
  const copy = Buffer.from(tar);
  copy[at + 156] = type.charCodeAt(0);
  copy.fill(" ", at + 148, at + 156);
  const sum = copy.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148);
  return copy;
}

async function whole(undo: Undo) {
  const image = await smallImage(["a", "b"]);
  return {
    area: await openArea(undo),
    image,
    archives: [await dockerArchive(image, ["app:1"]), await ociArchive(image, {})],
  };
}

test("refuses an archive that ends anywhere before its last file does", async (undo) => {
  const { area, archives } = await whole(undo);
  for (const bytes of archives) {
    // Two blocks of zeros end a tar, and nothing reads them.
    const end = bytes.length - 1024;
    for (let at = 0; at < end; at += 173) await refused(area, bytes.subarray(0, at));
  }
});

test("refuses, or is not harmed by, a byte that changed anywhere", async (undo) => {
  const { archives, image } = await whole(undo);
  for (const [format, bytes] of archives.entries()) {
    const area = await openArea(undo);
    for (let at = 0; at < bytes.length; at += 61) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      try {
        await load(area, changed);
        // Padding, or a header's field that means nothing here; Docker's format says nowhere what a configuration is.
        const ids = area.table.list().map((each) => each.image.id);
        if (format === 1) assert.equal(ids.filter((id) => id !== image.id), []);
      } catch (error) {
        assert.ok(error instanceof ApiError, `at ${at}: ${(error as Error).stack}`);
      }
      await leftNothing(area);
    }
  }
});

test("of two files of one name the later counts, as when a tar is unpacked", async (undo) => {
  const { area, image } = await whole(undo);
  const list = (tag: string) => encode([{ Config: "config.json", RepoTags: [tag], Layers: ["0", "1"] }]);
  await load(
    area,
    await rawTar([
      { name: "manifest.json", content: list("old:1") },
      { name: "0", content: "other bytes" },
      { name: "config.json", content: image.config },
      { name: "1", content: image.tars[1]! },
      { name: "./0", content: image.tars[0]! },
      { name: "/manifest.json", content: list("new:1") },
    ]),
  );
  assert.equal(area.table.list().flatMap(({ tags }) => tags), ["new:1"]);
});

test("links lead within the archive or nowhere", async (undo) => {
  const { area, image } = await whole(undo);
  const archive = (target: string, type: "symlink" | "link") =>
    rawTar([
      { name: "manifest.json", content: encode([{ Config: "c", RepoTags: ["a:1"], Layers: ["x/0", "1"] }]) },
      { name: "c", content: image.config },
      { name: "real", content: image.tars[0]! },
      { name: "1", content: image.tars[1]! },
      { name: "x/0", type, linkname: target },
      { name: "circle", type: "symlink", linkname: "circle" },
    ]);
  for (const target of ["/etc/passwd", "../../../../etc/passwd", "circle", "nowhere"]) {
    for (const type of ["symlink", "link"] as const) {
      assert.match(
        (await refused(area, await archive(target, type))).message,
        /names x\/0, which is not in it$/,
      );
    }
  }
  await load(area, await archive("../real", "symlink"));
  await load(area, await archive("real", "link"));
});

test("refuses sparse files and types that nobody knows by name", async (undo) => {
  const { area } = await whole(undo);
  const sparse = withType(await rawTar([{ name: "big", content: "x" }]), 0, "S");
  assert.match(
    (await refused(area, sparse)).message,
    /^big in the archive is a sparse file or of an unknown type/,
  );
  const pax = await rawTar([{ name: "big", pax: { "GNU.sparse.major": "1" }, content: "x" }]);
  assert.match((await refused(area, pax)).message, /is a sparse file/);
});

test("refuses headers that are too long, or say that a file has no size", async (undo) => {
  const { area } = await whole(undo);
  const long = await rawTar([{ name: "x", pax: { comment: "y".repeat(5 * 1024 * 1024) } }]);
  assert.match((await refused(area, long)).message, /larger than|Header exceeds max size/);
  for (const size of ["-1", "1e400", "nonsense"]) {
    const wrong = await rawTar([{ name: "x", pax: { size }, content: "y" }]);
    assert.match((await refused(area, wrong)).message, /^the archive/);
  }
});

test("refuses more entries than anybody needs, of one name too", async (undo) => {
  const one = (await rawTar([{ name: "x", type: "directory" }])).subarray(0, 512);
  const many = (async function* () {
    for (let at = 0; at < 201; at++) yield Buffer.concat(Array(100).fill(one));
  })();
  const limited = await openArea(undo, { loadLimitBytes: 100 * 1024 * 1024 });
  assert.match((await rejection(load(limited, many))).message, /more than 20000 entries/);
  await leftNothing(limited);
});

test("refuses lying digests, and layers that are not there", async (undo) => {
  const { area, image } = await whole(undo);
  const entry = (Layers: string[]) => encode([{ Config: "c", RepoTags: ["a:1"], Layers }]);
  const files = { c: image.config, "0": image.tars[0]!, "1": image.tars[1]! };
  for (const layers of [["1", "0"], ["0", "0"], ["0"], []]) {
    const archive = await tarOf({ ...files, "manifest.json": entry(layers) });
    assert.match((await refused(area, archive)).message, /unpacks to|diff IDs/);
  }
  const blob = (bytes: Uint8Array) => `blobs/sha256/${digestOf(bytes).slice(7)}`;
  const oci = await ociArchive(image, {});
  for (const lost of [image.config, image.layers[0]!, image.source.manifest.bytes]) {
    assert.match((await refused(area, withoutFile(oci, blob(lost)))).message, /does not have|not in it/);
  }
});

/** The file is there under another name. */
function withoutFile(tar: Uint8Array, name: string): Buffer {
  const copy = Buffer.from(tar);
  const at = copy.indexOf(name);
  copy.write("_", at + name.length - 1);
  return withType(copy, at, "0");
}

test("refuses indexes that list each other's, and lists longer than anybody needs", async (undo) => {
  const area = await openArea(undo, { loadLimitBytes: 200 * 1024 * 1024 });
  const files: Record<string, Uint8Array> = {};
  const put = (value: unknown) => {
    const bytes = encode(value);
    files[`blobs/sha256/${digestOf(bytes).slice(7)}`] = bytes;
    return { digest: digestOf(bytes), size: bytes.length };
  };
  let inner = put({ manifests: [] });
  for (let depth = 0; depth < 5; depth++) inner = put({ manifests: [inner] });
  const deep = await tarOf({ ...files, "index.json": encode({ manifests: [inner] }) });
  assert.match((await refused(area, deep)).message, /indexes within indexes/);
  const listed = Array.from({ length: 1_001 }, () => inner);
  const long = await tarOf({ "index.json": encode({ manifests: listed }) });
  assert.match((await refused(area, long)).message, /more than 1000 images/);
  // Small indexes that all list one large one make the daemon read it again and again.
  const large = put({ manifests: [], filler: "x".repeat(3_000_000) });
  const many = Array.from({ length: 100 }, (_, at) => put({ manifests: [large], at }));
  const wide = await tarOf({ ...files, "index.json": encode({ manifests: many }) });
  assert.match((await refused(area, wide)).message, /manifests have more than \d+ bytes together/);
});

test("archives that are loaded at once share the limit, and give it back", async (undo) => {
  const area = await openArea(undo);
  const image = await smallImage(["a"]);
  const archive = await dockerArchive(image, ["app:1"]);
  let go = () => {};
  const open = new Promise<void>((resolve) => go = resolve);
  const begun = { done: () => {} };
  const started = new Promise<void>((resolve) => begun.done = resolve);
  const slow = (async function* () {
    yield await tarOf({ big: new Uint8Array(900_000) });
    begun.done();
    await open;
  })();
  const first = rejection(load(area, slow));
  await started;
  const big = await tarOf({ big: new Uint8Array(300_000) });
  assert.match(
    (await rejection(load(area, big))).message,
    /^the archives that are loaded at once are larger than 1048576 bytes/,
  );
  go();
  await first;
  await load(area, archive);
  await leftNothing(area);
});
