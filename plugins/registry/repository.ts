import { internal, invalid } from "../../core/support/errors.ts";
import type { RegistryCredentials, RemoteReference } from "../images/backend.ts";
import { refusal } from "./answers.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { basicAuthorization, bearerAuthorization } from "./token-auth.ts";
import { type Answer, parseUrl, type Transport } from "./transport.ts";

/** Redirects followed for one request. */
const mostRedirects = 5;

/** One repository of a registry, with one job's credentials: requests that authenticate themselves when asked to. */
export class Repository {
  readonly reference: RemoteReference;
  readonly #base: URL;
  readonly #transport: Transport;
  readonly #credentials: RegistryCredentials | undefined;
  #authorization: string | undefined;

  /** @param base the registry's own address, `https://registry.example:5000` */
  constructor(
    reference: RemoteReference,
    base: URL,
    transport: Transport,
    credentials: RegistryCredentials | undefined,
  ) {
    this.reference = reference;
    this.#base = base;
    this.#transport = transport;
    this.#credentials = credentials;
  }

  /**
   * Requests a path below the repository, `manifests/latest`. Answers with success are returned; others are errors
   * in Docker's words.
   */
  async get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const url = this.address(path);
    const used = this.#authorization;
    let answer = await this.#follow(url, headers, signal);
    // Once with what is known, once after answering a challenge: a token may also have expired during a long pull.
    // Another request of this repository may have got a new one meanwhile.
    if (
      answer.status === 401 &&
      (this.#authorization !== used || await this.#answerChallenge(url, answer, signal))
    ) {
      answer.discard();
      answer = await this.#follow(url, headers, signal);
    }
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw await refusal(this.reference, answer);
  }

  /** The full address of a path below the repository. */
  address(path: string): URL {
    return new URL(`/v2/${this.reference.repository}/${path}`, this.#base);
  }

  async #follow(start: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    let url = start;
    for (let hops = 0; hops <= mostRedirects; hops++) {
      // Only the registry itself sees credentials, never whom it points at.
      const own = url.origin === this.#base.origin && this.#authorization;
      const all = own ? { ...headers, authorization: own } : headers;
      const answer = await this.#transport.send({
        method: "GET",
        url,
        headers: { "user-agent": "berth", ...all },
        signal,
      });
      if (![301, 302, 303, 307, 308].includes(answer.status)) return answer;
      answer.discard();
      url = this.#target(url, answer.headers.location);
    }
    throw internal(`${this.#base.host} redirected more than ${mostRedirects} times`);
  }

  #target(from: URL, location: string | undefined): URL {
    const url = location === undefined ? undefined : parseUrl(location, from);
    if (!url || !/^https?:$/.test(url.protocol)) {
      throw internal(`${from.host} redirected to an address that cannot be followed`);
    }
    if (from.protocol === "https:" && url.protocol === "http:") {
      throw internal(`${from.host} redirected from https to plain http, which is refused`);
    }
    return url;
  }

  /** True when the request is worth sending again with what was learned. */
  async #answerChallenge(url: URL, answer: Answer, signal: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(answer.headers["www-authenticate"] ?? "");
    if (answer.url.origin !== this.#base.origin) return false;
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const next = bearer
      ? await this.#bearer(bearer, signal)
      : this.#basic(url, challenges.some(({ scheme }) => scheme === "basic"));
    const changed = next !== undefined && next !== this.#authorization;
    this.#authorization = next;
    return changed;
  }

  #bearer(challenge: Challenge, signal: AbortSignal): Promise<string> {
    return bearerAuthorization(
      this.#transport,
      this.#base,
      challenge,
      this.reference,
      this.#credentials,
      signal,
    );
  }

  #basic(url: URL, offered: boolean): string | undefined {
    if (!offered) return undefined;
    const basic = basicAuthorization(this.#credentials);
    // Docker's status for this is 500, and its words name the request.
    if (!basic) throw internal(`Get "${url.href}": no basic auth credentials`);
    return basic;
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
