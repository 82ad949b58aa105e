import { createHash } from "node:crypto";
import type { ImageConfig } from "../../images/backend.ts";

/**
 * The chain IDs of a stack of layers: each names a layer together with all below it. Source: OCI image spec,
 * "Layer ChainID".
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : sha256(`${below} ${diffId}`));
  }
  return chain;
}

/**
 * The snapshot that an image's containers start from, in the snapshotter of the settings. Undefined for an image
 * without layers.
 */
export function rootChainId(config: ImageConfig): string | undefined {
  return chainIds(config.rootfs.diff_ids).at(-1);
}

const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
