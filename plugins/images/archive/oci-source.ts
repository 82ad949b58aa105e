import { invalid } from "../../../core/support/errors.ts";
import type { ImageSource, SourceManifest } from "../backend.ts";
import { spooledBlobs } from "./archived-image.ts";
import {
  descriptors,
  type LayoutDocuments,
  type OciDescriptor,
  type OciDocument,
  plainDescriptor,
} from "./oci-documents.ts";
import type { SpooledFile } from "./spool-file.ts";

/** The index that lists an image's manifest, and what it lists besides. */
export interface SurroundingIndex {
  readonly index: OciDocument;
  readonly entries: readonly OciDescriptor[];
}

/** What the store is to bring in: a manifest of the layout, with its index and the attestations made for it. */
export async function sourceOf(
  documents: LayoutDocuments,
  manifest: OciDocument,
  around: SurroundingIndex | undefined,
): Promise<ImageSource> {
  const main = referencesOf(manifest);
  const attestations = around ? await attestationsFor(documents, main.manifest.digest, around) : [];
  const files = filesOf(documents, [main, ...attestations]);
  return {
    ...main,
    ...(around && { index: around.index.document }),
    ...(attestations.length > 0 && { attestations }),
    ...spooledBlobs(files),
  };
}

function referencesOf({ body, document }: OciDocument): SourceManifest {
  const [config] = descriptors([body.config], document.digest);
  if (!config) throw invalid(`the manifest ${document.digest} has no config`);
  const layers = descriptors(body.layers, document.digest);
  return { manifest: document, config: plainDescriptor(config), layers: layers.map(plainDescriptor) };
}

/** Whether an index's entry is an attestation. Source: BuildKit, "Image Attestation Storage". */
export const isAttestation = ({ annotations }: OciDescriptor): boolean =>
  annotations?.["vnd.docker.reference.type"] === "attestation-manifest";

/** Those that are in the archive as a whole; an index may list more than an archive holds. */
async function attestationsFor(
  documents: LayoutDocuments,
  manifestDigest: string,
  { entries }: SurroundingIndex,
): Promise<SourceManifest[]> {
  const found: SourceManifest[] = [];
  for (const entry of entries) {
    const isForIt = entry.annotations?.["vnd.docker.reference.digest"] === manifestDigest;
    if (!isAttestation(entry) || !isForIt || !documents.file(entry.digest)) continue;
    const attestation = referencesOf(await documents.read(entry));
    const blobs = [attestation.config, ...attestation.layers];
    if (blobs.every(({ digest }) => documents.file(digest))) found.push(attestation);
  }
  return found;
}

function filesOf(documents: LayoutDocuments, manifests: readonly SourceManifest[]): Map<string, SpooledFile> {
  const files = new Map<string, SpooledFile>();
  for (const { digest } of manifests.flatMap(({ config, layers }) => [config, ...layers])) {
    const file = documents.file(digest);
    if (file) files.set(digest, file);
  }
  return files;
}
