/** From a reference to one platform's image: index, manifest, attestations. */
import { apiErrorOf, invalid } from "../../core/support/errors.ts";
import type {
  ImageSource,
  KnownManifest,
  Platform,
  ResolvedImage,
  SourceManifest,
} from "../images/backend.ts";
import { readBlob } from "./blob.ts";
import { checkImage, checkSizes, type ParsedImage } from "./image-rules.ts";
import { type IndexEntry, manifestLimitBytes } from "./manifest.ts";
import { selectPlatform } from "./platform.ts";
import { digestOf, type Fetched, readFetched, type Repository } from "./repository.ts";

/** BuildKit makes one for each platform. */
const mostAttestations = 8;

/** What is wanted of an image. */
export interface Wish {
  /** A tag or a digest. */
  readonly name: string;
  readonly platform: Platform;
  readonly known: KnownManifest;
  readonly imageLimitBytes: number;
  readonly signal: AbortSignal;
}

/** An image's manifest, read. */
type FetchedImage = Fetched & { readonly parsed: ParsedImage };

/** Asks a repository for an image. The first request shows what the job may have; the rest may be known already. */
export async function resolveImage(repository: Repository, wish: Wish): Promise<ResolvedImage> {
  const top = await repository.manifest(wish.name, wish.signal);
  const { parsed } = top;
  const entries = parsed.kind === "index" ? parsed.entries : [];
  const image = parsed.kind === "index"
    ? await fetchListed(repository, selectPlatform(entries, wish.platform), wish)
    : asImage(top);
  checkImage(image.parsed);
  const attestations = await fetchAttestations(repository, entries, image.digest, wish);
  checkSizes([image, ...attestations].map((each) => each.parsed), wish.imageLimitBytes);
  const isAnonymous = repository.isAnonymous;
  // A registry that wanted credentials for the blobs of a public manifest would have others share what is private.
  if (isAnonymous) repository.stayAnonymous();
  const source: ImageSource = {
    ...sourceManifest(image),
    origin: repository.origin,
    anonymous: isAnonymous,
    ...(parsed.kind === "index" && { index: document(top) }),
    ...(attestations.length > 0 && { attestations: attestations.map(sourceManifest) }),
    read: (blob, offset, signal) => readBlob(repository, blob, offset, signal),
  };
  return { source, digest: top.digest };
}

/** A manifest that an index lists: from the store if it has it, otherwise from the registry. */
async function fetchListed(repository: Repository, entry: IndexEntry, wish: Wish): Promise<FetchedImage> {
  const known = await wish.known(repository.origin, entry.digest);
  const isGood = known && known.length <= manifestLimitBytes && digestOf(known) === entry.digest;
  return asImage(
    isGood
      ? readFetched(known, entry.digest, entry.mediaType)
      : await repository.manifest(entry.digest, wish.signal),
  );
}

async function fetchAttestations(
  repository: Repository,
  entries: readonly IndexEntry[],
  digest: string,
  wish: Wish,
): Promise<FetchedImage[]> {
  const listed = entries.filter(({ attestationOf }) => attestationOf === digest);
  if (listed.length > mostAttestations) {
    throw invalid(`the index lists ${listed.length} attestations for one image; at most ${mostAttestations}`);
  }
  const fetched: FetchedImage[] = [];
  for (const entry of listed) {
    const attestation = await unlessMissing(fetchListed(repository, entry, wish));
    if (attestation) fetched.push(attestation);
  }
  return fetched;
}

/** Who copies one platform of an image leaves its attestations behind. */
async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (apiErrorOf(error)?.kind === "not-found") return undefined;
    throw error;
  }
}

function asImage({ parsed, ...rest }: Fetched): FetchedImage {
  if (parsed.kind === "index") throw invalid("the image's index lists another index for the platform");
  return { ...rest, parsed };
}

const document = ({ mediaType, digest, sizeBytes, bytes }: Fetched) => ({
  mediaType,
  digest,
  sizeBytes,
  bytes,
});

const sourceManifest = (image: FetchedImage): SourceManifest => ({
  manifest: document(image),
  config: image.parsed.config,
  layers: image.parsed.layers,
});
