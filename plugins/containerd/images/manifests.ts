import type { ImageSource, SourceManifest } from "../../images/backend.ts";
import { unlessMissing } from "../errors.ts";
import type { Info } from "../gen/content_pb.ts";
import type { Blobs, IngestContext } from "./blobs.ts";
import { maxManifestBytes } from "./check-manifest.ts";
import {
  completeLabel,
  completeRecord,
  indexReferences,
  manifestReferences,
  originLabel,
  servedRecord,
  useRecord,
} from "./labels.ts";

/** What an image is reached by in the store: its manifest, its index and its attestations. */
export function rootsOf({ manifest, index, attestations = [] }: {
  readonly manifest: { readonly digest: string };
  readonly index?: { readonly digest: string };
  readonly attestations?: readonly { readonly manifest: { readonly digest: string } }[];
}): string[] {
  const documents = [manifest, ...(index ? [index] : []), ...attestations.map((each) => each.manifest)];
  return documents.map(({ digest }) => digest);
}

/** Keeps manifests, indexes and attestations, and knows which of them came from whom with all they refer to. */
export class Manifests {
  readonly #blobs: Blobs;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /** Whether the origin brought the whole image before, and all of it that is reached by labels is still there. */
  async areComplete({ origin, manifest, index, attestations = [] }: ImageSource): Promise<boolean> {
    if (origin === undefined) return false;
    const has = async (digest: string, label: string) =>
      (await this.#blobs.info(digest))?.labels[label] !== undefined;
    const answers = await Promise.all([
      ...[manifest, ...attestations.map((each) => each.manifest)].map(({ digest }) =>
        has(digest, completeLabel(origin))
      ),
      ...(index ? [has(index.digest, originLabel(origin))] : []),
    ]);
    return answers.every(Boolean);
  }

  /** Brings the index and the attestations with what they consist of. */
  async putIndex(context: IngestContext): Promise<void> {
    const { index, attestations = [] } = context.source;
    for (const attestation of attestations) {
      for (const blob of [attestation.config, ...attestation.layers]) {
        await this.#blobs.ensure(blob, context, () => {});
      }
      await this.#put(attestation, context, await this.#blobs.info(attestation.manifest.digest));
    }
    if (!index) return;
    const served = servedRecord(context.source, await this.#blobs.info(index.digest));
    await this.#blobs.put(index, index.bytes, served, context);
  }

  /** Writes the image's manifest. Last of all: a manifest that is there refers to what is there. */
  async putImage(context: IngestContext): Promise<void> {
    const { source } = context;
    const { origin, manifest, index, attestations = [] } = source;
    const present = await this.#blobs.info(manifest.digest);
    const attested = attestations.map((each) => each.manifest.digest);
    await this.#put(source, context, present, {
      ...indexReferences(origin, index?.digest, attested, present),
      ...useRecord(origin, present),
    });
  }

  /** A manifest's bytes, when the origin may have them as they are. */
  async known(origin: string, digest: string): Promise<Uint8Array | undefined> {
    const info = await this.#blobs.rightful(digest, origin);
    if (info === undefined || info.size > maxManifestBytes) return undefined;
    // Collection may have come between.
    return await unlessMissing(this.#blobs.read({ digest }));
  }

  async #put(
    { manifest, config, layers }: SourceManifest,
    context: IngestContext,
    present: Info | undefined,
    more: Record<string, string> = {},
  ): Promise<void> {
    const labels = {
      ...manifestReferences(config.digest, layers.map((layer) => layer.digest)),
      ...servedRecord(context.source, present),
      ...completeRecord(context.source.origin, present),
      ...more,
    };
    await this.#blobs.put(manifest, manifest.bytes, labels, context);
  }
}
