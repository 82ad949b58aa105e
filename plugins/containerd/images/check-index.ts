import { invalid } from "../../../core/support/errors.ts";
import type { ImageSource, SourceManifest } from "../../images/backend.ts";
import type { Settings } from "../settings.ts";
import { checkManifest, parseDocument } from "./check-manifest.ts";

/** Attestations of one image. BuildKit writes one, with a layer for each kind: provenance, SBOM. */
const maxAttestations = 8;
/** Layers of one attestation. */
const maxStatements = 64;

/**
 * Throws `invalid` for what can be seen to be wrong with the index that an image came through and with its
 * attestations. They are kept and never unpacked: what they are is nobody's business, how much they are is.
 */
export function checkIndex(source: ImageSource, settings: Settings): void {
  const { index, manifest, attestations = [] } = source;
  if (index === undefined && attestations.length === 0) return;
  if (index === undefined) {
    throw invalid(`image ${manifest.digest} has attestations, and no index lists them`);
  }
  const listed = listedIn(parseDocument(index, "index"));
  for (const { manifest: { digest } } of [source, ...attestations]) {
    if (!listed.has(digest)) throw invalid(`index ${index.digest} does not list the manifest ${digest}`);
  }
  attestations.forEach(checkManifest);
  checkAmount(manifest.digest, attestations, settings);
}

function listedIn({ manifests }: Record<string, unknown>): Set<unknown> {
  return new Set(Array.isArray(manifests) ? manifests.map((entry) => entry?.digest) : []);
}

function checkAmount(image: string, attestations: readonly SourceManifest[], settings: Settings): void {
  if (attestations.length > maxAttestations) {
    throw invalid(`image ${image} has ${attestations.length} attestations; at most ${maxAttestations}`);
  }
  let sizeBytes = 0;
  for (const { manifest, config, layers } of attestations) {
    if (layers.length > maxStatements) {
      throw invalid(`attestation ${manifest.digest} has ${layers.length} layers; at most ${maxStatements}`);
    }
    for (const blob of [manifest, config, ...layers]) sizeBytes += blob.sizeBytes;
  }
  if (sizeBytes > settings.maxAttestationBytes) {
    throw invalid(
      `image ${image} has ${sizeBytes} bytes of attestations, and maxAttestationBytes is ${settings.maxAttestationBytes}`,
    );
  }
}
