import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { hostsFile, resolverFile } from "../../plugins/containerd/containers/etc-files.ts";
import { layersOf, readInLayers } from "../../plugins/containerd/containers/layers.ts";
import { assert, test } from "../support/test.ts";

/** Layers on disk, topmost first: path to text, or to a link's target when it starts with an arrow. */
async function layersWith(undo: Undo, ...layers: Record<string, string>[]): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), "berth-layers-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  return await Promise.all(layers.map(async (entries, index) => {
    const root = join(dir, `layer${index}`);
    await mkdir(root);
    for (const [path, content] of Object.entries(entries)) {
      const place = join(root, path);
      await mkdir(dirname(place), { recursive: true });
      await (content.startsWith("->") ? symlink(content.slice(2), place) : writeFile(place, content));
    }
    return root;
  }));
}

test("the topmost layer's file is the one that counts", async (undo) => {
  const layers = await layersWith(undo, { "etc/group": "top" }, { "etc/passwd": "low", "etc/group": "low" });
  assert.is(await readInLayers(layers, "/etc/group"), "top");
  assert.is(await readInLayers(layers, "/etc/passwd"), "low");
  assert.is(await readInLayers(layers, "/etc/shadow"), "");
});

test("links are followed inside the root", async (undo) => {
  const layers = await layersWith(undo, { "etc/passwd": "->../store/passwd" }, { "store/passwd": "found" });
  assert.is(await readInLayers(layers, "/etc/passwd"), "found");
  const absolute = await layersWith(undo, { "etc": "->/real" }, { "real/passwd": "found too" });
  assert.is(await readInLayers(absolute, "/etc/passwd"), "found too");
});

test("no link leads to a file of the host", async (undo) => {
  for (const target of ["/etc/hostname", "../../../../../../../../etc/hostname"]) {
    const layers = await layersWith(undo, { "etc/passwd": `->${target}` });
    assert.is(await readInLayers(layers, "/etc/passwd"), "");
  }
  // The upper layer makes a directory of it: the lower one's link must not be walked through.
  const mixed = await layersWith(undo, { "etc/other": "x" }, { "etc": "->/etc" });
  assert.is(await readInLayers(mixed, "/etc/hostname"), "");
});

test("links in a circle and things that are no files read as nothing", async (undo) => {
  const layers = await layersWith(undo, { "etc/passwd": "->group", "etc/group": "->passwd", "bin/sh/x": "" });
  assert.is(await readInLayers(layers, "/etc/passwd"), "");
  assert.is(await readInLayers(layers, "/bin/sh"), "");
  assert.is(await readInLayers(layers, "/bin/sh/x/y"), "");
  assert.is(await readInLayers([], "/etc/passwd"), "");
});

test("at most a megabyte of a file is read", async (undo) => {
  const layers = await layersWith(undo, { "etc/passwd": "x".repeat(3_000_000) });
  assert.is((await readInLayers(layers, "/etc/passwd")).length, 1024 * 1024);
});

test("an overlay's layers are the upper directory and then the lower ones", () => {
  const overlay = {
    type: "overlay",
    source: "overlay",
    options: ["index=off", "workdir=/w", "upperdir=/u", "lowerdir=/a:/b"],
  };
  assert.equal(layersOf([overlay]), ["/u", "/a", "/b"]);
  assert.equal(layersOf([{ type: "bind", source: "/s", options: ["rw", "rbind"] }]), ["/s"]);
  assert.equal(layersOf([]), []);
});

test("a container's hosts file names it as Docker does", () => {
  const last = (text: string) => text.trimEnd().split("\n").at(-1);
  assert.is(last(hostsFile({ hostname: "box", domainname: "" }, "10.0.0.2")), "10.0.0.2\tbox");
  assert.is(last(hostsFile({ hostname: "box", domainname: "a.b" }, "10.0.0.2")), "10.0.0.2\tbox.a.b box");
  assert.is(last(hostsFile({ hostname: "box.a.b", domainname: "" }, "10.0.0.2")), "10.0.0.2\tbox.a.b box");
  assert.is(last(hostsFile({ hostname: "box", domainname: "" })), "ff02::2\tip6-allrouters");
});

test("resolvers on the host's loopback are left out, and replaced when no other is left", () => {
  const host =
    "# comment\nnameserver 127.0.0.53\nnameserver 10.1.1.1\nnameserver ::1\nsearch corp.test\noptions ndots:2\n";
  assert.is(resolverFile(host, []), "nameserver 10.1.1.1\nsearch corp.test\noptions ndots:2\n");
  assert.is(resolverFile("nameserver 127.0.0.1\n", []), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  assert.is(resolverFile("", []), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  assert.is(resolverFile(host, ["10.9.9.9"]), "nameserver 10.9.9.9\nsearch corp.test\noptions ndots:2\n");
  assert.is(resolverFile("nameserver 1.1.1.1 # trailing\nnameserver junk", []), "nameserver 1.1.1.1\n");
});
