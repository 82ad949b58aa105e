import { createHash } from "node:crypto";
import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, Document, SourceManifest } from "../../images/backend.ts";
import { isDigest } from "./image-config.ts";

/** A manifest or an index is larger than this only to hurt, in bytes. The distribution spec's own recommendation. */
export const maxManifestBytes = 4 * 1024 * 1024;

/** A manifest, of an image or an attestation, must be what its digest says and name what its source says. */
export function checkManifest({ manifest, config, layers }: SourceManifest): void {
  [config, ...layers].forEach(checkDescriptor);
  checkReferences(manifest, parseDocument(manifest, "manifest"), [config, ...layers]);
}

/** The object that a document's bytes are, once they are seen to be those of its digest. */
export function parseDocument(document: Document, what: string): Record<string, unknown> {
  checkDescriptor(document);
  const { bytes, digest, sizeBytes } = document;
  if (bytes.length > maxManifestBytes) {
    throw invalid(`${what} ${digest} has ${bytes.length} bytes; at most ${maxManifestBytes}`);
  }
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== digest || bytes.length !== sizeBytes) {
    throw invalid(`${what} ${digest} has other bytes than its digest says`);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw invalid(`${what} ${digest} is not JSON`, error);
  }
  if (typeof body !== "object" || body === null) throw invalid(`${what} ${digest} is no JSON object`);
  return body as Record<string, unknown>;
}

function checkDescriptor({ digest, sizeBytes }: Descriptor): void {
  if (!isDigest(digest)) throw invalid(`"${digest}" is no sha256 digest`);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw invalid(`${digest} has an impossible size: ${sizeBytes}`);
  }
}

/**
 * What is known of a manifest is known by its digest: that an origin has the whole image, for one. So the
 * digest must stand for this configuration and these layers and no others.
 */
function checkReferences(
  { digest }: Document,
  { config, layers }: Record<string, unknown>,
  meant: readonly Descriptor[],
): void {
  const said = [config, ...(Array.isArray(layers) ? layers : [])].map((each) => each?.digest);
  if (said.length !== meant.length || said.some((each, index) => each !== meant[index]?.digest)) {
    throw invalid(`manifest ${digest} names another configuration or other layers than the image has`);
  }
}
