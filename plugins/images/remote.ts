/** What a reference is to a registry, and what an image is called that came from there. */
import type { RemoteReference, ResolvedImage } from "./backend.ts";
import { defaultDomain, familiarName, type Reference } from "./reference.ts";

/** Docker Hub's registry has another name than the images it serves. */
const hubHost = "registry-1.docker.io";

/**
 * Which registry to ask for a reference, and for what.
 *
 * @param defaultRegistry serves names without a registry
 */
export function remoteOf(
  { domain, path, tag, digest }: Reference,
  defaultRegistry: string,
): RemoteReference {
  const official = defaultRegistry === defaultDomain ? hubHost : defaultRegistry;
  const registry = domain === defaultDomain ? official : domain;
  return { registry, repository: path, name: familiarName({ domain, path }), tag, digest };
}

/** The names an image gets by being pulled: its tag, and the digest the registry knows it by. */
export function namesOf(
  reference: Reference,
  { digest }: Pick<ResolvedImage, "digest">,
): Reference[] {
  const { domain, path } = reference;
  const byDigest = { domain, path, digest };
  return reference.digest === undefined ? [reference, byDigest] : [byDigest];
}
