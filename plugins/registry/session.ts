import { internal } from "../../core/support/errors.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { SessionParts } from "./session-parts.ts";
import { basicAuthorization, bearerAuthorization } from "./token-auth.ts";
import { type Answer, type Exchange, parseUrl } from "./transport.ts";

/** Redirects followed for one request. */
const mostRedirects = 5;

/** Requests to one registry with one job's credentials, that authenticate themselves when asked to. */
export class Session {
  readonly #parts: SessionParts;
  #authorization: string | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Sends a request and follows redirects. Answers of any status are returned. */
  get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    return this.request({ method: "GET", url, headers, signal });
  }

  /** As {@link get}, with any method. A body that is streamed may be opened several times. */
  async request(exchange: Exchange): Promise<Answer> {
    const { url, signal } = exchange;
    const used = this.#authorization;
    const answer = await this.#follow(exchange);
    // Once with what is known, once after answering a challenge: a token may also have expired during a long pull.
    // Another request of this session may have got a new one meanwhile.
    const again = answer.status === 401 &&
      (this.#authorization !== used || await this.#answerChallenge(url, answer, signal));
    if (!again) return answer;
    answer.discard();
    return await this.#follow(exchange);
  }

  async #follow(exchange: Exchange): Promise<Answer> {
    const { headers } = exchange;
    let { url } = exchange;
    for (let hops = 0; hops <= mostRedirects; hops++) {
      // Only the registry itself sees credentials, never whom it points at.
      const own = url.origin === this.#parts.base.origin && this.#authorization;
      const all = own ? { ...headers, authorization: own } : headers;
      const answer = await this.#parts.transport.send({
        ...exchange,
        url,
        headers: { "user-agent": "berth", ...all },
      });
      if (!isRedirect(exchange, answer)) return answer;
      answer.discard();
      url = this.#target(url, answer.headers.location);
    }
    throw internal(`${this.#parts.base.host} redirected more than ${mostRedirects} times`);
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
    if (answer.url.origin !== this.#parts.base.origin) return false;
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const next = bearer
      ? await this.#bearer(bearer, signal)
      : this.#basic(url, challenges.some(({ scheme }) => scheme === "basic"));
    const changed = next !== undefined && next !== this.#authorization;
    this.#authorization = next;
    return changed;
  }

  #bearer(challenge: Challenge, signal: AbortSignal): Promise<string> {
    return bearerAuthorization(this.#parts, challenge, signal);
  }

  #basic(url: URL, offered: boolean): string | undefined {
    if (!offered) return undefined;
    const basic = basicAuthorization(this.#parts.credentials);
    // Docker's status for this is 500, and its words name the request.
    if (!basic) {
      throw this.#parts.noCredentials?.() ?? internal(`Get "${url.href}": no basic auth credentials`);
    }
    return basic;
  }
}

/** The first three of these turn other methods into GET, which is no use to them. */
function isRedirect({ method }: Exchange, { status }: Answer): boolean {
  return [307, 308].includes(status) ||
    ([301, 302, 303].includes(status) && ["GET", "HEAD"].includes(method));
}
