/**
 * What the push area needs from others: a registry's repository to push to (the registry plugin implements it) and
 * the job's images with the names they have there (the images area implements it).
 */
import type { ApiRequest } from "../../core/kernel/request.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import type { Descriptor, RegistryCredentials, RemoteReference, StoredImage } from "../images/backend.ts";

/** The bytes of one blob on their way to a registry. */
export interface BlobUpload {
  /** What the bytes must have; undefined when it shows only once they were made, as when they are compressed. */
  readonly blob?: Pick<Descriptor, "digest" | "sizeBytes">;
  /**
   * The bytes from an offset. Called again after a break, and must then give the same bytes as before. Whoever makes
   * the bytes for the upload may skip what lies before the offset.
   */
  read(offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Called with the offset of what was handed to the registry so far; it goes back when a break lost some. */
  observe(sentBytes: number): void;
  /** Called when something went wrong that may pass: the upload goes on after so many milliseconds. */
  retrying(afterMs: number): void;
}

/**
 * One repository of a registry, as one job's credentials see it. What may pass, a broken connection or an overloaded
 * server, is tried again in here.
 *
 * Errors in Docker's words for push: `unauthorized` when credentials are missing, wrong or not enough, `invalid` for
 * other refusals and for answers that lie, `unavailable` and `internal` for what did not pass, the signal's reason.
 */
export interface PushRepository {
  /** Makes sure that the registry can be reached at all; asks for no credentials. */
  reach(signal: AbortSignal): Promise<void>;
  hasBlob(digest: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Asks the registry to take a blob from another of its repositories. False when it does not, for whatever reason:
   * the blob has to be uploaded then.
   */
  mountBlob(digest: string, fromRepository: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Brings a blob into the repository, and tells its digest and size. An upload that fails, or whose signal fires,
   * is taken back.
   */
  uploadBlob(upload: BlobUpload, signal: AbortSignal): Promise<Pick<Descriptor, "digest" | "sizeBytes">>;
  hasManifest(digest: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Puts a manifest or an index, byte for byte.
   *
   * @param name a tag or its digest
   */
  putManifest(name: string, manifest: ManifestBytes, signal: AbortSignal): Promise<void>;
}

/** A manifest or an index as it goes out. */
export interface ManifestBytes extends Descriptor {
  readonly bytes: Uint8Array;
}

/** A client of registries that can be pushed to. */
export interface PushRegistries {
  /** Errors: `invalid` for what is no repository. */
  repository(target: RemoteReference, credentials: RegistryCredentials | undefined): PushRepository;
}

/** Daemon-scoped; the registry plugin provides it. */
export const PushRegistriesToken: Token<PushRegistries> = token("push.registries");

/** What one request to push names. */
export interface PushTarget {
  /** The registry and the repository in it; neither tag nor digest. */
  readonly remote: RemoteReference;
  /** The repository's whole name, `docker.io/library/app`. */
  readonly fullName: string;
  /** Its name as users see it, `app`. */
  readonly name: string;
  /** The tag that was asked for; undefined when all are meant. */
  readonly tag?: string;
  /** True when a digest was asked for, and no tag. */
  readonly byDigest: boolean;
  /** True when the job has any name in the repository. */
  readonly isKnown: boolean;
  /** The job's tags in the repository, sorted. */
  readonly tags: readonly { readonly tag: string; readonly image: StoredImage }[];
}

/** The job's images, as the push area sees them. */
export interface ImagesToPush {
  /**
   * Understands a name and a tag as Docker does. Errors: `invalid`.
   *
   * @param tag replaces the one in the name; may be empty
   */
  target(name: string, tag: string): PushTarget;
  /** What the job shows to the target's registry: what the request's headers say, else what it logged in with. */
  credentials(target: PushTarget, headers: ApiRequest["headers"]): RegistryCredentials | undefined;
  /** The image that a reference means, with `latest` for a missing tag. Errors: `not-found` in Docker's words. */
  find(name: string): StoredImage;
  /** All images of the job. */
  all(): readonly StoredImage[];
  /** As the image store's: the bytes of a blob of one of the job's images, from an offset. */
  read(blob: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The image is known by this digest of the repository from now on: Docker's `RepoDigests`. */
  pushed(image: StoredImage, target: PushTarget, digest: string): Promise<void>;
}

/** Job-scoped; the images area provides it. */
export const ImagesToPushToken: Token<ImagesToPush> = token("push.images");
