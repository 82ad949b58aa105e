import { createHash } from "node:crypto";
import type { StoredImage } from "./backend.ts";

/** One unpacked layer of an image, as a place in its stack. */
export interface UnpackedLayer {
  /** Names the layer together with all below it. Source: OCI image spec, "Layer ChainID". */
  readonly chainId: string;
  /** What it takes on disk, without those below it. */
  readonly sizeBytes: number;
}

/** Kept by image, which never changes: a list of many images asks for the same layers again and again. */
const known = new WeakMap<StoredImage, readonly UnpackedLayer[]>();

/** The layers of an image, lowest first. */
export function layersOf(image: StoredImage): readonly UnpackedLayer[] {
  const before = known.get(image);
  if (before) return before;
  const layers: UnpackedLayer[] = [];
  for (const [at, diffId] of image.config.rootfs.diff_ids.entries()) {
    layers.push({
      chainId: chainIdOf(layers.at(-1)?.chainId, diffId),
      sizeBytes: image.layerSizesBytes[at] ?? 0,
    });
  }
  known.set(image, layers);
  return layers;
}

function chainIdOf(below: string | undefined, diffId: string): string {
  if (below === undefined) return diffId;
  return `sha256:${createHash("sha256").update(`${below} ${diffId}`).digest("hex")}`;
}
