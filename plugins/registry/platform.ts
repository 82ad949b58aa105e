import { invalid } from "../../core/support/errors.ts";
import type { Platform } from "../images/backend.ts";
import type { IndexEntry } from "./manifest.ts";

/**
 * The entry of an index for a platform. Of several that run on it, the one closest to it: `arm` v7 takes v6 before
 * v5, `amd64` without a variant takes the plain one. Attestations are never chosen, whatever platform they name.
 */
export function selectPlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry {
  const runnable = entries
    .filter(({ attestationOf }) => attestationOf === undefined)
    .map((entry) => ({ entry, distance: distance(entry.platform, wanted) }))
    .filter((each): each is { entry: IndexEntry; distance: number } => each.distance !== undefined)
    .sort((a, b) => a.distance - b.distance);
  const best = runnable[0];
  if (!best) throw invalid(`no matching manifest for ${platformText(wanted)} in the manifest list entries`);
  return best.entry;
}

export const platformText = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant ? [variant] : [])].join("/");

/** How far a platform is from the wanted one; undefined when it does not run there. */
function distance(offered: Partial<Platform> | undefined, wanted: Platform): number | undefined {
  if (offered?.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const have = level(wanted.architecture, offered.variant);
  const want = level(wanted.architecture, wanted.variant);
  if (have === undefined || want === undefined) return offered.variant === wanted.variant ? 0 : undefined;
  return have <= want ? want - have : undefined;
}

/** Variants are levels of an instruction set, each running what was made for the lower ones. */
function level(architecture: string, variant: string | undefined): number | undefined {
  const plain: Readonly<Record<string, string>> = { arm: "v7", arm64: "v8", amd64: "v1" };
  const match = /^v(\d{1,2})$/.exec(variant || plain[architecture] || "v0");
  return match ? Number(match[1]) : undefined;
}
