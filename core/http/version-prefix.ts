import { ApiVersion, currentApiVersion } from "../kernel/version.ts";

/** A path taken apart: the version it asks for and what is left of it. */
export interface VersionedPath {
  readonly version: ApiVersion;
  readonly path: string;
}

const prefix = /^\/v(\d{1,4}\.\d{1,4})(?=\/)/;
const known = new Map<string, ApiVersion>();
/** Clients name a handful of versions; a hostile one that names thousands must not fill the memory. */
const mostKnown = 64;

/**
 * Takes the version prefix off a path. Any `/v<major>.<minor>/` is accepted, older and newer than what is served;
 * `/version` and `/volumes/x` have none and get the current version.
 */
export function splitVersion(path: string): VersionedPath {
  if (!path.startsWith("/v")) return { version: currentApiVersion, path };
  const match = prefix.exec(path);
  if (!match) return { version: currentApiVersion, path };
  return { version: versionOf(match[1] as string), path: path.slice(match[0].length) };
}

function versionOf(text: string): ApiVersion {
  const found = known.get(text);
  if (found) return found;
  const version = ApiVersion.parse(text) ?? currentApiVersion;
  if (known.size < mostKnown) known.set(text, version);
  return version;
}
