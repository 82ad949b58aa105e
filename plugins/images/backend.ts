/**
 * What the images area needs from others: a store that holds images (an engine implements it) and a way to reach
 * registries (the registry plugin implements it). Nothing here names a snapshot, a lease or a mount.
 */
import { type Token, token } from "../../core/kernel/scope.ts";

/** Points at bytes by their digest. Source: OCI image spec, "Content Descriptors". */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** The image configuration's parts that Berth reads. Source: OCI image spec, "Image Configuration". */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly docker_version?: string;
  readonly config?: {
    readonly User?: string;
    readonly ExposedPorts?: Readonly<Record<string, object>>;
    readonly Env?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Volumes?: Readonly<Record<string, object>> | null;
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly StopSignal?: string;
    readonly Shell?: readonly string[];
    readonly Healthcheck?: object;
    readonly OnBuild?: readonly string[] | null;
    readonly ArgsEscaped?: boolean;
  };
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history?: readonly {
    readonly created?: string;
    readonly created_by?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
}

/** Metadata with its exact bytes, verified against the digest. */
export interface Document extends Descriptor {
  readonly bytes: Uint8Array;
}

/** A manifest with what it refers to. */
export interface SourceManifest {
  readonly manifest: Document;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/**
 * Somewhere an image comes from: a registry's repository, or an archive the job sent. The store asks it for what
 * it lacks and believes nothing: bytes are checked against digests, unpacked layers against diff IDs.
 */
export interface ImageSource extends SourceManifest {
  /**
   * Who served this, `registry.example:5000/team/app`, with the job's authorisation checked just now (the manifest
   * request succeeded). Undefined for archives: nothing present may then be reused unless the source brings it.
   */
  readonly origin?: string;
  /** True when no credentials were needed: anybody could have these bytes, so that every job may reuse them. */
  readonly anonymous?: boolean;
  /** The index that the reference named and that lists the manifest, when there is one. Kept for push and save. */
  readonly index?: Document;
  /**
   * Attestations that the index lists for this manifest. Kept with the image for push and save, never unpacked.
   * Source: BuildKit, "Image Attestation Storage".
   */
  readonly attestations?: readonly SourceManifest[];
  /**
   * The bytes of a blob from an offset. Whoever reads verifies the digest. A source that can go on after a break does
   * so by itself; it ends early or rejects when it gave up, and asking again helps nobody.
   */
  read(blob: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * A file that holds the blob's bytes and that nobody changes any more, when the source has one: a store on the same
   * host may link to it instead of reading. Its bytes are believed as little as any.
   */
  file?(blob: Descriptor): string | undefined;
}

/**
 * How one layer is getting on, for progress lines. `current` and `total` in bytes. All that an ingest may fetch are
 * `waiting` first; those that others keep from starting at once are then `queued`.
 */
export type LayerProgress =
  | { readonly state: "waiting" | "queued" | "verifying" | "downloaded" | "done" | "exists" }
  | { readonly state: "downloading" | "extracting"; readonly current: number; readonly total: number };

export type IngestObserver = (layer: Descriptor, progress: LayerProgress) => void;

/** An image that the store holds for this job, ready to run. Plain data: kept as JSON in the job's state. */
export interface StoredImage {
  /** The image ID: the configuration's digest. */
  readonly id: string;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** The configuration's blob; its digest is the image ID. */
  readonly configBlob: Descriptor;
  readonly layers: readonly Descriptor[];
  /** What each unpacked layer takes on disk, in bytes, in the order of the layers. */
  readonly layerSizesBytes: readonly number[];
  /** What the unpacked layers take on disk, in bytes: Docker's `Size`. */
  readonly sizeBytes: number;
  /** Who served it, as in {@link ImageSource.origin}; undefined for what came from an archive. */
  readonly origin?: string;
  /** The index it came through, when there was one. */
  readonly index?: Descriptor;
  /** Attestations that the index lists for it. */
  readonly attestations?: readonly StoredManifest[];
}

/** A manifest in the store with what it refers to. */
export interface StoredManifest {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** One job's view of the engine's image store. */
export interface ImageStore {
  /**
   * Brings the image into the store, unpacks it and holds it for this job until {@link release}. Bytes the host has
   * are reused only if this origin served those very bytes before, or anybody did to a pull without credentials; an
   * archive brings its own. The index and the attestations are held with the image. Idempotent.
   *
   * Errors: `invalid` for a manifest, config or layer that lies or breaks a limit; `unavailable` when the engine is
   * down; the signal's reason when it fires. A failed ingest leaves the store as it was.
   */
  ingest(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage>;
  /** The job lets go of an image, its index and its attestations. Unknown ids are fine. */
  release(image: StoredImage): Promise<void>;
  /**
   * The bytes of a blob of an image that the job holds, exactly as they came: a manifest, an index, a configuration
   * or a layer. The caller takes the descriptor from a {@link StoredImage}.
   *
   * Errors: `internal` when the blob is not there, `unavailable` when the engine is down, the signal's reason.
   */
  read(blob: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * The bytes of a manifest or an index that the store has a copy of, when this origin is on record as having served
   * them, or anybody did to a pull without credentials; undefined otherwise. For a registry client that was just told
   * the digest by the origin, with the job's authorisation: it need not ask for the bytes. They may be no manifest
   * at all: a registry can serve anything under any name.
   *
   * Errors: `unavailable` when the engine is down.
   */
  knownManifest(origin: string, digest: string): Promise<Uint8Array | undefined>;
}

/** Job-scoped; an engine provides it. */
export const ImageStoreToken: Token<ImageStore> = token("images.store");

/** A part of an image on disk: a file as it travelled, or a layer unpacked. Images that share one share its space. */
export interface CachePiece {
  /** Tells pieces apart and means nothing else. */
  readonly id: string;
  readonly sizeBytes: number;
}

/** An image that the host keeps beyond the jobs that pulled it. */
export interface CachedImage {
  /** Its manifest's digest. */
  readonly digest: string;
  /** Who served it, `registry.example:5000/team/app`, as in {@link ImageSource.origin}; sorted. */
  readonly origins: readonly string[];
  readonly pieces: readonly CachePiece[];
  /** When a job last pulled it, or, when the store was told of it with {@link ImageCache.touch}, last had it. */
  readonly lastUsed: Date;
  /** Ids of the live jobs that hold it or are pulling it; sorted. */
  readonly heldBy: readonly string[];
  /** Held by {@link ImageCache.pin}. */
  readonly pinned: boolean;
}

/** The file system that images lie in. In bytes, as `df` counts: what is reserved for root is neither. */
export interface CacheDisk {
  readonly usedBytes: number;
  readonly availableBytes: number;
}

/** What an engine keeps of registries' images so that the next job finds them. */
export interface ImageCache {
  /** All of it, at one moment. Errors: `unavailable` when the engine is down. */
  list(): Promise<CachedImage[]>;
  /** Errors: `unavailable` when the engine is down. */
  disk(): Promise<CacheDisk>;
  /**
   * Takes images out of the cache; resolves when what nobody else holds is off the disk. What a job holds, is
   * pulling, or takes hold of meanwhile stays as it was, and so do pinned images: never an error of that job's.
   * Unknown digests are fine. Killed at any moment it leaves each image whole or gone.
   *
   * @returns the digests that went, and the bytes that are really free for it
   */
  remove(digests: readonly string[]): Promise<{ removed: readonly string[]; freedBytes: number }>;
  /** Notes that images were in use until now. Unknown digests are fine. */
  touch(digests: readonly string[]): Promise<void>;
  /**
   * Brings an image into the cache for no job, as {@link ImageStore.ingest} does with the same errors, and keeps it
   * until {@link keepPinned}, also when the daemon is restarted.
   */
  pin(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage>;
  /** Lets go of all pinned images but these. Returns those of them that are pinned and there. */
  keepPinned(images: readonly StoredImage[]): Promise<readonly StoredImage[]>;
}

/** Daemon-scoped; an engine provides it. */
export const ImageCacheToken: Token<ImageCache> = token("images.cache");

/** User name and password (or identity token) for one registry, as in `X-Registry-Auth`. */
export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** A reference taken apart: `registry` is a host with optional port, `repository` a path within it. */
export interface RemoteReference {
  readonly registry: string;
  readonly repository: string;
  /** The repository as the user knows it, `busybox`, for error texts; default: registry and repository. */
  readonly name?: string;
  /** A tag or a digest. */
  readonly tag?: string;
  readonly digest?: string;
}

/** Which of a multi-platform image's manifests is wanted. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** What a registry served for a reference: the source for one platform, and the digest the reference named. */
export interface ResolvedImage {
  readonly source: ImageSource;
  /** Digest of what the tag points at: an index's or the manifest's own. Docker's `RepoDigests`. */
  readonly digest: string;
}

/**
 * The bytes of a manifest that this origin served before, if they are still there. Asked before the registry for what
 * an index lists: the index's own request has shown that the job may have it. The bytes are verified by who asked.
 */
export type KnownManifest = (origin: string, digest: string) => Promise<Uint8Array | undefined>;

/** What a reference names, without fetching an image. Docker's `DistributionInspect`. */
export interface RemoteDescription {
  readonly descriptor: Descriptor;
  /** Empty when a manifest's configuration names no platform. */
  readonly platforms: readonly RemotePlatform[];
}

/** A platform as an index or an image configuration tells it. Source: OCI image spec, "Image Index". */
export interface RemotePlatform extends Platform {
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

/** A registry took the credentials. */
export interface AcceptedLogin {
  /** Stands for the password from now on, where the registry's token server gave one. */
  readonly identityToken?: string;
}

/** A client of image registries. */
export interface Registries {
  /**
   * Asks the registry what a reference means, with these credentials. Errors in Docker's words: `not-found` for
   * an unknown manifest or repository, `unauthorized` for refused credentials, `invalid` for a hostile or
   * unsupported manifest or no manifest for the platform, `unavailable` when it asks for fewer requests, `internal`
   * when the registry cannot be reached.
   */
  resolve(
    reference: RemoteReference,
    platform: Platform,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
    known: KnownManifest,
  ): Promise<ResolvedImage>;
  /** What a reference names, for `GET /distribution/{name}/json`. Errors as {@link resolve}, without its prefixes. */
  describe(
    reference: RemoteReference,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<RemoteDescription>;
  /**
   * Finds out whether a registry takes these credentials, for `docker login`. Errors: `unauthorized` when it does
   * not, otherwise as {@link resolve}.
   *
   * @param serverAddress as clients keep it: a host with optional port, or a URL; empty is Docker Hub
   */
  login(
    serverAddress: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<AcceptedLogin>;
  /** The tags of a repository, for `pull --all-tags`. */
  tags(
    reference: RemoteReference,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<string[]>;
}

/** Daemon-scoped; the registry plugin provides it. */
export const RegistriesToken: Token<Registries> = token("images.registries");

/**
 * As whom one job speaks to registries: what a request says, or else what the job logged in with. Kept in memory
 * only, and gone with the job.
 */
export interface RegistryLogins {
  /** Logs in and, when the registry takes the credentials, keeps them for this job. Errors: {@link Registries.login}. */
  login(
    serverAddress: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<AcceptedLogin>;
  /**
   * The credentials for a request of this job. `X-Registry-Auth` decides when it is there, and an empty one means
   * nobody; then the registry's entry in `X-Registry-Config`; then the job's login.
   *
   * @param headers by lower-case name
   * @param registry the host asked, {@link RemoteReference.registry}
   */
  credentialsFor(
    headers: Readonly<Record<string, string | undefined>>,
    registry: string,
  ): RegistryCredentials | undefined;
}

/** Job-scoped; the images area provides it. */
export const RegistryLoginsToken: Token<RegistryLogins> = token("images.registry-logins");
