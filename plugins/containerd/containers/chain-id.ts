import { createHash } from "node:crypto";

/**
 * The name of the snapshot that holds these layers on top of each other; empty for no layers. Source: OCI image spec,
 * "Layer ChainID".
 */
export function chainIdOf(diffIds: readonly string[]): string {
  return diffIds.reduce(
    (chain, diffId) =>
      chain === "" ? diffId : `sha256:${createHash("sha256").update(`${chain} ${diffId}`).digest("hex")}`,
    "",
  );
}
