import { createHash } from "node:crypto";
import { invalid } from "../../core/support/errors.ts";
import type { Document, RegistryCredentials, RemoteReference } from "../images/backend.ts";
import { refusal } from "./answers.ts";
import { isHost } from "./host-name.ts";
import { acceptedTypes, manifestLimitBytes, type ParsedManifest, parseManifest } from "./manifest.ts";
import { Session } from "./session.ts";
import type { Answer, Exchange, Transport } from "./transport.ts";

/** A manifest or an index, with what stands in it. */
export interface Fetched extends Document {
  readonly parsed: ParsedManifest;
}

/** How a repository is asked. */
export interface RepositoryAccess {
  /** The address of the host that serves it, `https://registry.example:5000`. */
  readonly base: URL;
  readonly transport: Transport;
  readonly credentials: RegistryCredentials | undefined;
  /** How often a request for a manifest or for tags is sent at most; default: the setting `tries`. */
  readonly tries?: number;
  /** The error for an answer that is not a success; default: as `docker pull` shows it. */
  readonly refuse?: (answer: Answer) => Promise<Error>;
}

type Options = Partial<Pick<Exchange, "headers" | "isPatient" | "tries">>;

/** One repository of a registry, with one job's credentials. */
export class Repository {
  readonly #reference: RemoteReference;
  readonly #access: RepositoryAccess;
  readonly #session: Session;
  readonly #refuse: (answer: Answer) => Promise<Error>;

  constructor(reference: RemoteReference, access: RepositoryAccess) {
    this.#reference = reference;
    this.#access = access;
    this.#refuse = access.refuse ?? ((answer) => refusal(reference, answer));
    const scope = `repository:${reference.repository}:pull`;
    this.#session = new Session({ ...access, scope, refuse: this.#refuse });
  }

  /** Who serves it, `registry.example:5000/team/app`: the host really asked, not the one named. */
  get origin(): string {
    return `${this.#access.base.host}/${this.#reference.repository}`;
  }

  /** True when nobody was shown credentials up to now. */
  get isAnonymous(): boolean {
    return !this.#session.hasShownCredentials;
  }

  /** From now on nobody is shown credentials: what was found to be public stays so for whatever follows. */
  stayAnonymous(): void {
    this.#session.forgetCredentials();
  }

  /**
   * Requests a path below the repository, `blobs/sha256:…`. Answers with success are returned; others are errors in
   * Docker's words.
   */
  async get(path: string, signal: AbortSignal, { headers = {}, ...options }: Options = {}): Promise<Answer> {
    const url = this.address(path);
    const answer = await this.#session.request({ method: "GET", url, headers, signal, ...options });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw await this.#refuse(answer);
  }

  /** A manifest or an index by tag or digest, checked against the digest and, in form, against the specification. */
  async manifest(name: string, signal: AbortSignal): Promise<Fetched> {
    const headers = { accept: acceptedTypes };
    const answer = await this.get(`manifests/${name}`, signal, { headers, tries: this.#access.tries });
    const bytes = await answer.whole(manifestLimitBytes);
    const digest = digestOf(bytes);
    const told = answer.headers["docker-content-digest"];
    if (name.startsWith("sha256:") && name !== digest) {
      throw invalid(`manifest verification failed for digest ${name}: the registry sent ${digest}`);
    }
    if (typeof told === "string" && told.startsWith("sha256:") && told !== digest) {
      throw invalid(`the registry says the manifest is ${told.slice(0, 100)} and sent ${digest}`);
    }
    return readFetched(bytes, digest, answer.headers["content-type"]);
  }

  /** The full address of a path below the repository. */
  address(path: string): URL {
    return new URL(`/v2/${this.#reference.repository}/${path}`, this.#access.base);
  }
}

/** The sha256 digest of bytes, `sha256:…`. */
export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** @param mediaType what the bytes were served or listed as */
export function readFetched(bytes: Uint8Array, digest: string, mediaType: string | undefined): Fetched {
  const parsed = parseManifest(bytes, mediaType);
  return { mediaType: parsed.mediaType, digest, sizeBytes: bytes.length, bytes, parsed };
}

/** Refuses what could leave the repository's part of the address space. */
export function checkReference({ registry, repository, tag, digest }: RemoteReference): void {
  const path = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
  if (!isHost(registry)) throw invalid("invalid reference format");
  if (repository.length > 255 || !path.test(repository)) throw invalid("invalid reference format");
  if (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag)) throw invalid("invalid tag format");
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw invalid(`digest ${digest.slice(0, 100)} is not supported; use a sha256 digest`);
  }
}
