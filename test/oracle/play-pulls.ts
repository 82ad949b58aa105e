/** Pulls from a registry: the streams, the names that images get, and what goes wrong. */
import { buildImage, type BuiltImage, digestOf } from "../support/busybox-image.ts";
import type { TestRegistry } from "../support/registry.ts";
import { type Ask, filters, platform } from "./ask.ts";

const repository = "oracle/app";

/**
 * An image of four layers, the lowest the same in all. None is in an image that was loaded: Docker would take it from
 * there if it ever saw it in a registry.
 */
async function numbered(number: number): Promise<BuiltImage> {
  const created = `2024-02-0${number}T00:00:00Z`;
  const texts = ["pulled", ...[1, 2, 3].map((layer) => `layer ${layer} of ${number}`)];
  const parts = await Promise.all(texts.map((content) => buildImage({ files: { "/text": { content } } })));
  const layers = parts.map((part) => part.layers[1]!);
  const diffIds = layers.map((layer) => digestOf(layer));
  const config = {
    architecture: "amd64",
    os: "linux",
    created,
    config: {},
    rootfs: { type: "layers", diff_ids: diffIds },
  };
  const bytes = Buffer.from(JSON.stringify(config));
  return { tags: [], id: digestOf(bytes), config: bytes, layers };
}

export async function playPulls(ask: Ask, registry: TestRegistry): Promise<void> {
  const name = `${registry.host}/${repository}`;
  const pull = (step: string, query: string) => ask(`pull ${step}`, "POST", `/v1.51/images/create?${query}`);
  const list = (step: string, more: object = {}) =>
    ask(`pulled ${step}`, "GET", `/v1.51/images/json?${filters({ reference: [name], ...more })}`);
  const first = await registry.push(await numbered(1), repository, "1");
  await playErrors(pull, name);
  await pull("tag", `fromImage=${name}&tag=1`);
  await pull("tag again", `fromImage=${name}:1`);
  await pull("other platform", `fromImage=${name}:1&platform=linux/s390x`);
  await ask("inspect pulled", "GET", `/v1.51/images/${name}:1/json`);
  await ask("inspect pulled by digest", "GET", `/v1.51/images/${name}@${first}/json`);
  await ask("inspect pulled by tag and digest", "GET", `/v1.51/images/${name}:other@${first}/json`);
  const second = await registry.push(await numbered(2), repository, "1");
  await pull("moved tag", `fromImage=${name}&tag=1`);
  await list("after the tag moved");
  await list("dangling", { dangling: ["true"] });
  await list("not dangling", { dangling: ["false"] });
  await ask("inspect left by tag", "GET", `/v1.51/images/${name}@${first}/json`);
  await pull("digest", `fromImage=${name}@${second}`);
  await pull("digest for a tag", `fromImage=${name}:9&tag=${first}`);
  await pull("tag and digest", `fromImage=${name}:1@${first}`);
  await pull("tag, digest and other tag", `fromImage=${name}:1@${first}&tag=2`);
  await registry.push(await numbered(3), repository, "2");
  await pull("all tags", `fromImage=${name}:`);
  await list("all tags");
  await playRemovals(ask, name, first, second);
}

async function playErrors(
  pull: (step: string, query: string) => Promise<string>,
  name: string,
): Promise<void> {
  await pull("unknown tag", `fromImage=${name}&tag=none`);
  await pull("unknown digest", `fromImage=${name}@sha256:${"a".repeat(64)}`);
  await pull("unknown repository", `fromImage=${name}/none&tag=1`);
  await pull("unknown repository, all tags", `fromImage=${name}/none`);
  await pull("bad name", "fromImage=UPPER");
  await pull("bad tag", `fromImage=${name}&tag=-`);
  await pull("short digest", `fromImage=${name}&tag=sha256:12`);
  await pull("bad platform", `fromImage=${name}&tag=1&platform=a/b/c/d`);
  await pull("unknown platform", `fromImage=${name}&tag=1&platform=nonsense`);
  await pull("scratch", "fromImage=scratch&tag=1");
}

async function playRemovals(ask: Ask, name: string, first: string, second: string): Promise<void> {
  const remove = (step: string, reference: string) =>
    ask(`pulled remove ${step}`, "DELETE", `/v1.51/images/${reference}`);
  await remove("other platform", `${name}:1?${platform("linux", "s390x", "platforms")}`);
  await ask("pulled tag", "POST", `/v1.51/images/${name}:1/tag?repo=berth-oracle/pulled`);
  await remove("digest of two", `${name}@${second}`);
  await remove("unknown digest", `${name}@sha256:${"a".repeat(64)}`);
  await remove("last digest", `${name}@${first}`);
  await remove("tag of two", `${name}:1`);
  await remove("tag of its own", "berth-oracle/pulled");
  await remove("tag with digest", `${name}:2`);
}
