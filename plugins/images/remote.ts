import type { RemoteReference, ResolvedImage } from "./backend.ts";
import { defaultDomain, familiarName, type Reference } from "./reference.ts";
import type { Settings } from "./settings.ts";

/** Docker Hub's registry has another name than the images it serves. */
const hubHost = "registry-1.docker.io";

/** Docker Hub as image names, client configurations and registries name it. */
const hubNames = [defaultDomain, "index.docker.io", hubHost];

/** The host that is asked for the images of a domain: names without one are the default registry's. */
export function registryOf(domain: string, { defaultRegistry }: Pick<Settings, "defaultRegistry">): string {
  if (!hubNames.includes(domain)) return domain;
  return hubNames.includes(defaultRegistry) ? hubHost : defaultRegistry;
}

/** The host behind a server address as clients keep it: `https://index.docker.io/v1/`, `registry.example:5000`. */
export function registryOfAddress(
  serverAddress: string,
  settings: Pick<Settings, "defaultRegistry">,
): string {
  const host = serverAddress.replace(/^https?:\/\//, "").split("/", 1)[0] || defaultDomain;
  return registryOf(host, settings);
}

/** A reference as the registry client takes it. */
export function remoteOf(
  { domain, path, tag, digest }: Reference,
  settings: Pick<Settings, "defaultRegistry">,
): RemoteReference {
  const name = familiarName({ domain, path });
  return { registry: registryOf(domain, settings), repository: path, name, tag, digest };
}

/** The names an image gets by being pulled: its tag, and the digest the registry knows it by. */
export function namesOf(reference: Reference, { digest }: Pick<ResolvedImage, "digest">): Reference[] {
  const { domain, path } = reference;
  const byDigest = { domain, path, digest };
  return reference.digest === undefined ? [reference, byDigest] : [byDigest];
}
