/** Images made on the spot from the host's static busybox, as `docker save` would write them. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Pack, pack } from "tar-stream";

export interface ImageRecipe {
  /** Default `busybox:latest`. */
  readonly tags?: readonly string[];
  /** The image configuration's `config`: Env, Cmd, Entrypoint, User, WorkingDir, Labels … */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Files on top, by absolute path; a layer of their own. */
  readonly files?: Readonly<Record<string, { content: string; mode?: number }>>;
  /** When it was made; default the start of 2024. */
  readonly created?: string;
  /** How it came to be; default one step for each layer. */
  readonly history?: readonly object[];
}

/** An image's parts: what goes into an archive, or to a registry. */
export interface BuiltImage {
  readonly tags: readonly string[];
  /** `sha256:…` of the configuration: the image ID. */
  readonly id: string;
  readonly config: Buffer;
  /** Uncompressed tars. */
  readonly layers: readonly Buffer[];
}

let baseLayer: Promise<Buffer> | undefined;

/** Builds an image. The base layer is the same bytes every time, so that images share it. */
export async function buildImage(recipe: ImageRecipe = {}): Promise<BuiltImage> {
  const layers = [await (baseLayer ??= busyboxLayer())];
  if (recipe.files) layers.push(await filesLayer(recipe.files));
  const config = Buffer.from(JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: recipe.created ?? "2024-01-01T00:00:00Z",
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["sh"],
      ...recipe.config,
    },
    rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
    history: recipe.history ??
      layers.map((_, index) => ({ created: "2024-01-01T00:00:00Z", created_by: `layer ${index}` })),
  }));
  return { tags: recipe.tags ?? ["busybox:latest"], id: digestOf(config), config, layers };
}

/** The archive that `docker load` takes. */
export async function imageArchive(recipe: ImageRecipe = {}): Promise<Buffer> {
  const { tags, config, layers } = await buildImage(recipe);
  const tar = pack();
  const configName = `${digestOf(config).slice(7)}.json`;
  const layerNames = layers.map((layer) => `${digestOf(layer).slice(7)}/layer.tar`);
  tar.entry({ name: configName }, config);
  layers.forEach((layer, index) => tar.entry({ name: layerNames[index]! }, layer));
  const manifest = [{ Config: configName, RepoTags: tags, Layers: layerNames }];
  tar.entry({ name: "manifest.json" }, JSON.stringify(manifest));
  return await finished(tar);
}

/** `sha256:` and the hex digest. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

const epoch = new Date("2024-01-01T00:00:00Z");

async function busyboxLayer(): Promise<Buffer> {
  const busybox = readFileSync("/bin/busybox");
  const applets = execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).trim().split("\n").sort();
  const tar = pack();
  for (const name of ["bin", "dev", "etc", "proc", "root", "sys", "usr", "usr/bin", "var", "home"]) {
    tar.entry({ name: `${name}/`, type: "directory", mode: 0o755, mtime: epoch });
  }
  tar.entry({ name: "tmp/", type: "directory", mode: 0o1777, mtime: epoch });
  tar.entry({ name: "bin/busybox", mode: 0o755, mtime: epoch }, busybox);
  for (const applet of applets.filter((name) => name !== "busybox")) {
    tar.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox", mode: 0o777, mtime: epoch });
  }
  const passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n" +
    "worker:x:1234:1235:worker:/home:/bin/sh\n";
  tar.entry({ name: "etc/passwd", mode: 0o644, mtime: epoch }, passwd);
  const group = "root:x:0:\nnogroup:x:65534:\nworkers:x:1235:\nhelpers:x:1236:worker\n";
  tar.entry({ name: "etc/group", mode: 0o644, mtime: epoch }, group);
  return await finished(tar);
}

function filesLayer(files: NonNullable<ImageRecipe["files"]>): Promise<Buffer> {
  const tar = pack();
  for (const [path, { content, mode = 0o644 }] of Object.entries(files)) {
    tar.entry({ name: path.replace(/^\//, ""), mode, mtime: epoch }, content);
  }
  return finished(tar);
}

async function finished(tar: Pack): Promise<Buffer> {
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
