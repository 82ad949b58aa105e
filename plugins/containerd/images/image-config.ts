import { invalid } from "../../../core/support/errors.ts";
import type { ImageConfig } from "../../images/backend.ts";

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** Whether a text is a digest that can be checked here. */
export const isDigest = (text: unknown): text is string =>
  typeof text === "string" && digestPattern.test(text);

/**
 * Reads an image configuration. Believes the parts that nobody acts on; the platform, the diff IDs and their number
 * decide what is unpacked and are checked.
 *
 * @param digest names the configuration in errors
 * @param layerCount layers of the manifest: each needs its diff ID
 */
export function parseImageConfig(bytes: Uint8Array, digest: string, layerCount: number): ImageConfig {
  const config = parseObject(bytes, digest);
  const { os, architecture, rootfs } = config as Partial<ImageConfig>;
  if (typeof os !== "string" || typeof architecture !== "string") {
    throw invalid(`image configuration ${digest} names no platform`);
  }
  const diffIds: unknown = rootfs?.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw invalid(`image configuration ${digest} has diff IDs that are no digests`);
  }
  if (diffIds.length !== layerCount) {
    throw invalid(
      `image configuration ${digest} has ${diffIds.length} diff IDs, and its manifest ${layerCount} layers`,
    );
  }
  return { ...config, os, architecture, rootfs: { type: "layers", diff_ids: diffIds } };
}

function parseObject(bytes: Uint8Array, digest: string): object {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(`image configuration ${digest} is not JSON`, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`image configuration ${digest} is no JSON object`);
  }
  return value;
}
