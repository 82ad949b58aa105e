import type { Descriptor, RegistryCredentials, RemoteReference } from "../images/backend.ts";
import type { BlobUpload, ManifestBytes, PushRepository } from "../push/backend.ts";
import { acceptedTypes } from "./manifest.ts";
import { checkReference } from "./repository.ts";
import { Session } from "./session.ts";
import type { Transport } from "./transport.ts";
import { BlobUploader, type UploadTarget } from "./upload.ts";
import { accepted, checkDigest, UploadPlace, type UploadSettings } from "./upload-place.ts";
import { noCredentials, pushRefusal } from "./upload-refusal.ts";
import { retried } from "./upload-retries.ts";

/** Whom a repository's requests go to, and as whom. */
export interface UploadAccess {
  readonly base: URL;
  readonly transport: Transport;
  readonly credentials: RegistryCredentials | undefined;
  readonly settings: UploadSettings;
}

/** One repository of a registry, to push to, with one job's credentials. */
export class HttpPushRepository implements PushRepository {
  readonly #reference: RemoteReference;
  readonly #access: UploadAccess;
  readonly #session: Session;
  /** Sessions that may read another repository too, by its path. */
  readonly #mounting = new Map<string, Session>();

  constructor(reference: RemoteReference, access: UploadAccess) {
    checkReference(reference);
    this.#reference = reference;
    this.#access = access;
    this.#session = this.#open(this.#ownScope());
  }

  async reach(signal: AbortSignal): Promise<void> {
    const { base, transport } = this.#access;
    const headers = { "user-agent": "berth" };
    const answer = await transport.send({ method: "GET", url: new URL("/v2/", base), headers, signal });
    // Whatever it says, it is there. The connection serves the next request when the answer was read.
    await answer.whole(64 * 1024).catch(() => {});
    signal.throwIfAborted();
  }

  hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    return this.#has(`blobs/${digest}`, {}, signal);
  }

  hasManifest(digest: string, signal: AbortSignal): Promise<boolean> {
    return this.#has(`manifests/${digest}`, { accept: acceptedTypes }, signal);
  }

  async mountBlob(digest: string, fromRepository: string, signal: AbortSignal): Promise<boolean> {
    try {
      checkReference({ registry: this.#reference.registry, repository: fromRepository });
      return await this.#mount(digest, fromRepository, signal);
    } catch {
      // Another repository that may not be read, or a registry that does not mount: the blob is uploaded instead.
      signal.throwIfAborted();
      return false;
    }
  }

  uploadBlob(upload: BlobUpload, signal: AbortSignal): Promise<Pick<Descriptor, "digest" | "sizeBytes">> {
    return new BlobUploader(this.#target(this.#session), upload, signal).run();
  }

  async putManifest(
    name: string,
    { mediaType, digest, bytes }: ManifestBytes,
    signal: AbortSignal,
  ): Promise<void> {
    const url = this.#address(`manifests/${name}`);
    const headers = { "content-type": mediaType };
    await retried(this.#access.settings, signal, async () => {
      const answer = await this.#session.request({ method: "PUT", url, headers, body: bytes, signal });
      checkDigest(await accepted(answer, [200, 201, 202]), digest);
    });
  }

  async #has(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<boolean> {
    const url = this.#address(path);
    const answer = await this.#session.request({ method: "HEAD", url, headers, signal });
    if (answer.status !== 404 && (answer.status < 200 || answer.status >= 300)) {
      throw await pushRefusal(answer);
    }
    await answer.whole(0);
    return answer.status !== 404;
  }

  async #mount(digest: string, from: string, signal: AbortSignal): Promise<boolean> {
    const session = this.#mountingFrom(from);
    const url = this.#address("blobs/uploads/");
    url.searchParams.set("mount", digest);
    url.searchParams.set("from", from);
    const { answer, place } = await UploadPlace.ask(this.#target(session), url, signal);
    if (!place) return checkDigest(answer, digest), true;
    await place.cancel();
    return false;
  }

  #mountingFrom(from: string): Session {
    const known = this.#mounting.get(from);
    if (known) return known;
    const session = this.#open(`${this.#ownScope()} repository:${from}:pull`);
    this.#mounting.set(from, session);
    return session;
  }

  #target(session: Session): UploadTarget {
    return {
      session,
      settings: this.#access.settings,
      uploads: this.#address("blobs/uploads/"),
      has: (digest, signal) => this.hasBlob(digest, signal),
    };
  }

  #open(scope: string): Session {
    return new Session({ ...this.#access, scope, refuse: pushRefusal, noCredentials });
  }

  #ownScope(): string {
    return `repository:${this.#reference.repository}:pull,push`;
  }

  #address(path: string): URL {
    return new URL(`/v2/${this.#reference.repository}/${path}`, this.#access.base);
  }
}
