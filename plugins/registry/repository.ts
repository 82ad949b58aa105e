import { invalid } from "../../core/support/errors.ts";
import type { RegistryCredentials, RemoteReference } from "../images/backend.ts";
import { refusal } from "./answers.ts";
import { Session } from "./session.ts";
import type { Answer, Transport } from "./transport.ts";

/** One repository of a registry, with one job's credentials. */
export class Repository {
  readonly reference: RemoteReference;
  readonly #base: URL;
  readonly #session: Session;

  /** @param base the registry's own address, `https://registry.example:5000` */
  constructor(
    reference: RemoteReference,
    base: URL,
    transport: Transport,
    credentials: RegistryCredentials | undefined,
  ) {
    this.reference = reference;
    this.#base = base;
    this.#session = new Session({
      base,
      transport,
      credentials,
      scope: `repository:${reference.repository}:pull`,
      refuse: (answer) => refusal(reference, answer),
    });
  }

  /**
   * Requests a path below the repository, `manifests/latest`. Answers with success are returned; others are errors
   * in Docker's words.
   */
  async get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#session.get(this.address(path), headers, signal);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw await refusal(this.reference, answer);
  }

  /** The full address of a path below the repository. */
  address(path: string): URL {
    return new URL(`/v2/${this.reference.repository}/${path}`, this.#base);
  }
}

/** Refuses what could leave the repository's part of the address space. */
export function checkReference({ registry, repository, tag, digest }: RemoteReference): void {
  const path = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
  if (!/^(?:[\w.-]+|\[[\da-fA-F:]+\])(?::\d{1,5})?$/.test(registry)) {
    throw invalid("invalid reference format");
  }
  if (repository.length > 255 || !path.test(repository)) throw invalid("invalid reference format");
  if (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag)) throw invalid("invalid tag format");
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw invalid(`digest ${digest.slice(0, 100)} is not supported; use a sha256 digest`);
  }
}
