/** Images of fresh random bytes: no engine and no cache can have them already. */
import { randomFillSync } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { type BuiltImage, digestOf } from "../../test/support/busybox-image.ts";

/** An image of layers with one file of random bytes each. */
export async function bigImage(layerCount: number, layerBytes: number): Promise<BuiltImage> {
  const layers: Buffer[] = [];
  while (layers.length < layerCount) {
    layers.push(await tarOf([[`random-${layers.length}`, randomFillSync(Buffer.allocUnsafe(layerBytes))]]));
  }
  return imageOf(layers);
}

/** The same image as registries have it: layers in gzip. Random bytes stay as long as they are. */
export const inGzip = (image: BuiltImage): BuiltImage => ({
  ...image,
  layers: image.layers.map((layer) => gzipSync(layer, { level: 0 })),
});

/** As many images as wanted, on one small layer: `name:0`, `name:1` … in one archive. */
export async function manyImagesArchive(name: string, count: number): Promise<Buffer> {
  const layer = await tarOf([["small", Buffer.from("small")]]);
  const images = Array.from({ length: count }, (_, index) => imageOf([layer], { index: String(index) }));
  return await archiveOf(images.map((image, index) => ({ ...image, tags: [`${name}:${index}`] })));
}

/** The archive that `docker load` takes, its files named as `docker save` does since Docker 25. */
export async function archiveOf(images: readonly BuiltImage[]): Promise<Buffer> {
  const files = new Map<string, Buffer>();
  const add = (bytes: Buffer) => {
    const path = `blobs/${digestOf(bytes).replace(":", "/")}`;
    files.set(path, bytes);
    return path;
  };
  const manifest = images.map(({ tags, config, layers }) => ({
    Config: add(config),
    RepoTags: tags,
    Layers: layers.map(add),
  }));
  return await tarOf([...files, ["manifest.json", Buffer.from(JSON.stringify(manifest))]]);
}

function imageOf(layers: readonly Buffer[], labels: Record<string, string> = {}): BuiltImage {
  const config = Buffer.from(JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: { Cmd: ["sh"], Labels: labels },
    rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
    history: layers.map((_, index) => ({ created: "2024-01-01T00:00:00Z", created_by: `layer ${index}` })),
  }));
  return { tags: [], id: digestOf(config), config, layers };
}

async function tarOf(files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of files) tar.entry({ name, mtime: new Date(0) }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
