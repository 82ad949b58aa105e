import { lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { type Header, pack } from "tar-stream";
import type { Undo } from "../../core/support/undo.ts";
import { underLease } from "../../plugins/containerd/connection.ts";
import { rootChainId } from "../../plugins/containerd/images/chain-id.ts";
import { jobLeaseId } from "../../plugins/containerd/lease.ts";
import { gzippedLayer, imageOf, type Layer, layerOf } from "../contract/image-store-fixtures.ts";
import { never, quiet } from "../contract/image-store-harness.ts";
import { assert, test } from "../support/test.ts";
import { privateContainerd } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

/** A layer of these very headers, in this order. */
async function layerWith(
  entries: readonly (Partial<Header> & { readonly name: string } & { readonly content?: string })[],
): Promise<Layer> {
  const tar = pack();
  for (const { content, ...header } of entries) {
    const rest = { mtime: new Date(0), ...header };
    if (content === undefined) tar.entry(rest);
    else tar.entry(rest, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzippedLayer(Buffer.concat(chunks));
}

/** Opens a store and unpacks layers; `top` is the directory of the last one on the host. */
async function unpacker(undo: Undo) {
  const connection = await privateContainerd(undo);
  const { store } = (await TestStores.open(undo, connection)).job("one");
  let count = 0;
  return async (...layers: Layer[]) => {
    const image = await store.ingest(imageOf(layers, "hostile.test/app"), quiet, never);
    const view = { snapshotter: "overlayfs", key: `look${++count}`, parent: rootChainId(image.config) };
    const { mounts: [mount] } = await connection.snapshots.view(view, underLease(jobLeaseId("one")));
    const lower = mount?.options.find((each) => each.startsWith("lowerdir="))?.slice("lowerdir=".length);
    return { top: (lower ?? mount?.source ?? "").split(":")[0] as string };
  };
}

/** A directory of the host with a file that no image may touch. */
async function canary(undo: Undo): Promise<{ dir: string; isUntouched: () => Promise<void> }> {
  const dir = await mkdtemp("/tmp/berth-canary-");
  undo.add(dir, () => rm(dir, { recursive: true }));
  await writeFile(`${dir}/canary`, "alive", { mode: 0o600 });
  const isUntouched = async () => {
    assert.equal(await readdir(dir), ["canary"]);
    assert.is(await readFile(`${dir}/canary`, "utf8"), "alive");
    const { nlink, mode } = await lstat(`${dir}/canary`);
    assert.equal([nlink, mode & 0o7777], [1, 0o600]);
  };
  return { dir, isUntouched };
}

test("keeps every name, link and whiteout of a layer inside the image", async (undo) => {
  const unpack = await unpacker(undo);
  const { dir, isUntouched } = await canary(undo);
  const up = `${"../".repeat(20)}${dir.slice(1)}`;
  const base = await layerOf({ "base": "" });
  const link = { name: "link", type: "symlink", linkname: dir } as const;
  const relative = { name: "link", type: "symlink", linkname: up } as const;
  const tricks: (Partial<Header> & { readonly name: string } & { content?: string })[][] = [
    [{ name: `${up}/canary`, content: "dead" }],
    [{ name: `${dir}/canary`, content: "dead" }],
    [{ name: `a/../${up}/new`, content: "dead" }],
    [link, { name: "link/canary", content: "dead" }],
    [relative, { name: "link/new", content: "dead" }],
    [{ ...link, linkname: `${dir}/canary` }, { name: "link", content: "dead" }],
    [{ name: "hard", type: "link", linkname: `${dir}/canary` }, { name: "hard", content: "dead" }],
    [{ name: "hard", type: "link", linkname: `${up}/canary` }, { name: "hard", content: "dead" }],
    [link, { name: "hard", type: "link", linkname: "link/canary" }, { name: "hard", content: "dead" }],
    [link, { name: "link/.wh.canary", content: "" }],
    [link, { name: "link/.wh..wh..opq", content: "" }],
    [{ name: `${up}/.wh.canary`, content: "" }],
    [{ name: `${up}/.wh..wh..opq`, content: "" }],
    [{ name: ".wh...", content: "" }],
    [{ name: "x/.wh...", content: "" }],
    [{ name: ".wh..wh.", content: "" }],
    [{ ...link, name: ".wh..wh.aufs" }, { name: ".wh..wh.aufs/canary", content: "dead" }],
    [{ ...link, name: ".wh..wh.plnk" }, { name: ".wh..wh.plnk/canary", content: "dead" }],
    [{ name: `${up}/canary`, type: "directory" }],
    [link, { name: "link", type: "directory" }, { name: "link/canary", content: "dead" }],
  ];
  for (const entries of tricks) {
    const layer = await layerWith(entries);
    // Refused or unpacked, on nothing and on something: the host sees neither.
    for (const layers of [[layer], [base, layer]]) await unpack(...layers).catch(() => {});
    await isUntouched();
  }
  // A link of one layer must not lead a later one out.
  const linked = await layerWith([link]);
  await unpack(linked, await layerWith([{ name: "link/canary", content: "dead" }])).catch(() => {});
  await unpack(linked, await layerWith([{ name: "link/.wh.canary", content: "" }])).catch(() => {});
  await isUntouched();
});

test("puts what would climb out at the image's own root", async (undo) => {
  const unpack = await unpacker(undo);
  const { dir, isUntouched } = await canary(undo);
  const climbing = await layerWith([{ name: `../../..${dir}/canary`, content: "inside" }]);
  const { top } = await unpack(climbing);
  assert.is(await readFile(`${top}${dir}/canary`, "utf8"), "inside");
  await isUntouched();
});

test("keeps device nodes, set-user-ID files and links as an image's own, as Docker does", async (undo) => {
  const unpack = await unpacker(undo);
  const { top } = await unpack(
    await layerWith([
      { name: "null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
      { name: "su", mode: 0o4755, content: "#!" },
      { name: "out", type: "symlink", linkname: "/etc/shadow" },
    ]),
  );
  assert.ok((await lstat(`${top}/null`)).isCharacterDevice());
  assert.is((await lstat(`${top}/su`)).mode & 0o7777, 0o4755);
  assert.is(await readlink(`${top}/out`), "/etc/shadow");
});
