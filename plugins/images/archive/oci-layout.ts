/** The images of an OCI layout. Source: OCI image spec, "Image Layout". */
import { invalid } from "../../../core/support/errors.ts";
import { type ArchivedImage, type WantedPlatform } from "./archived-image.ts";
import { metadataLimitBytes, mostImages } from "./limits.ts";
import { descriptors, LayoutDocuments, type OciDescriptor, type OciDocument } from "./oci-documents.ts";
import { isAttestation, sourceOf, type SurroundingIndex } from "./oci-source.ts";
import { isFor } from "./requested-platform.ts";
import type { Archive } from "./spool.ts";

/** Indexes within indexes are followed so deep. */
const deepestIndex = 3;

/** An image manifest that the layout offers. */
interface Offer {
  readonly manifest: OciDocument;
  readonly around: SurroundingIndex | undefined;
  readonly platform: unknown;
}

/**
 * One image for each entry of `index.json`, and of an index's images the one for the platform. When nothing is for it
 * the first image serves, unless the platform was asked for: somebody may want to save it again.
 */
export async function ociImages(archive: Archive, wanted: WantedPlatform): Promise<ArchivedImage[]> {
  const index = await archive.json("index.json", metadataLimitBytes) as { manifests?: unknown } | null;
  const entries = descriptors(index?.manifests ?? [], "index.json").filter((each) => !isAttestation(each));
  if (entries.length > mostImages) throw invalid(`the archive has more than ${mostImages} images`);
  const documents = new LayoutDocuments(archive);
  const found: { readonly entry: OciDescriptor; readonly offer: Offer }[] = [];
  for (const entry of entries) {
    const offer = choose(await new Offers(documents).of(entry), wanted);
    if (offer) found.push({ entry, offer });
  }
  const chosen = found.filter(({ offer }) => isFor(offer.platform, wanted.platform));
  const rest = wanted.asked ? [] : found.slice(0, 1);
  return merged(
    await Promise.all(
      (chosen.length > 0 ? chosen : rest).map(async ({ entry, offer }) => ({
        names: entryNames(entry),
        source: await sourceOf(documents, offer.manifest, offer.around),
      })),
    ),
  );
}

const choose = (offers: readonly Offer[], wanted: WantedPlatform): Offer | undefined =>
  offers.find(({ platform }) => isFor(platform, wanted.platform)) ?? (wanted.asked ? undefined : offers[0]);

/** Finds the manifests below one entry; each digest is looked at once, however often it is listed. */
class Offers {
  readonly #documents: LayoutDocuments;
  readonly #seen = new Set<string>();
  readonly #found: Offer[] = [];

  constructor(documents: LayoutDocuments) {
    this.#documents = documents;
  }

  async of(entry: OciDescriptor): Promise<readonly Offer[]> {
    await this.#look(entry, undefined, 0);
    return this.#found;
  }

  async #look(entry: OciDescriptor, around: SurroundingIndex | undefined, depth: number): Promise<void> {
    if (this.#seen.has(entry.digest)) return;
    this.#seen.add(entry.digest);
    const document = await this.#documents.read(entry);
    const { manifests } = document.body;
    if (manifests === undefined) {
      this.#found.push({ manifest: document, around, platform: entry.platform });
      return;
    }
    if (depth >= deepestIndex) throw invalid("the archive's index lists indexes within indexes");
    const entries = descriptors(manifests, entry.digest);
    for (const inner of entries) {
      // An index may list images for more platforms than the archive holds.
      const isThere = this.#documents.file(inner.digest) !== undefined;
      if (isThere && !isAttestation(inner)) await this.#look(inner, { index: document, entries }, depth + 1);
    }
  }
}

/** An image listed once for each of its names becomes one image. */
function merged(images: readonly ArchivedImage[]): ArchivedImage[] {
  const byDigest = new Map<string, ArchivedImage>();
  for (const image of images) {
    const { digest } = image.source.manifest;
    const known = byDigest.get(digest);
    const names = new Set([...known?.names ?? [], ...image.names]);
    byDigest.set(digest, { source: known?.source ?? image.source, names: [...names] });
  }
  return [...byDigest.values()];
}

/** Tools write whole names into the one annotation and often a tag alone, which names nothing, into the other. */
function entryNames({ annotations }: OciDescriptor): string[] {
  const full = annotations?.["io.containerd.image.name"];
  const short = annotations?.["org.opencontainers.image.ref.name"];
  const name = full ?? (typeof short === "string" && /[/:]/.test(short) ? short : undefined);
  return typeof name === "string" ? [name] : [];
}
