import { internal } from "../../core/support/errors.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { SessionParts } from "./session-parts.ts";
import { basicAuthorization, bearerGrant, type Grant } from "./token-auth.ts";
import { type Answer, type Exchange, parseUrl } from "./transport.ts";

/** Redirects followed for one request. */
const mostRedirects = 5;

/** Requests to one registry with one job's credentials, that authenticate themselves when asked to. */
export class Session {
  #parts: SessionParts;
  #grant: Grant | undefined;
  /** The challenge that the grant answers: a token that ends is replaced before the registry says so. */
  #challenge: Challenge | undefined;
  #hasShownCredentials = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** False until somebody was shown the job's credentials: up to now anybody would have got the same. */
  get hasShownCredentials(): boolean {
    return this.#hasShownCredentials;
  }

  /** The token server's stand-in for the password, when it gave one. */
  get identityToken(): string | undefined {
    return this.#grant?.identityToken;
  }

  /** From now on the session speaks in nobody's name. */
  forgetCredentials(): void {
    this.#parts = { ...this.#parts, credentials: undefined };
  }

  /** Sends a request and follows redirects. Answers of any status are returned. */
  get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    return this.request({ method: "GET", url, headers, signal });
  }

  /** As {@link get}, with any method. A body that is streamed may be opened several times. */
  async request(exchange: Exchange): Promise<Answer> {
    const { url, signal } = exchange;
    await this.#renewEnded(signal);
    const used = this.#grant;
    const answer = await this.#follow(exchange);
    // Once with what is known, once after answering a challenge: a token may also have been revoked during a long
    // pull. Another request of this session may have got a new one meanwhile.
    const again = answer.status === 401 && answer.url.origin === this.#parts.base.origin &&
      (this.#grant !== used || await this.#answerChallenge(url, answer, signal));
    if (!again) return answer;
    answer.discard();
    return await this.#follow(exchange);
  }

  async #renewEnded(signal: AbortSignal): Promise<void> {
    const endsAtMs = this.#grant?.endsAtMs;
    if (endsAtMs === undefined || Date.now() < endsAtMs || !this.#challenge) return;
    this.#grant = await this.#bearer(this.#challenge, signal);
  }

  async #follow(exchange: Exchange): Promise<Answer> {
    let { url } = exchange;
    for (let hops = 0; hops <= mostRedirects; hops++) {
      const answer = await this.#parts.transport.send({
        ...exchange,
        url,
        headers: this.#headers(exchange, url),
      });
      if (!isRedirect(exchange, answer)) return answer;
      answer.discard();
      url = this.#target(url, answer.headers.location);
    }
    throw internal(`${this.#parts.base.host} redirected more than ${mostRedirects} times`);
  }

  /** Only the registry itself sees credentials, never whom it points at. Cookies are kept for nobody. */
  #headers({ headers }: Exchange, url: URL): Record<string, string> {
    const own = url.origin === this.#parts.base.origin ? this.#grant : undefined;
    return { "user-agent": "berth", ...headers, ...(own && { authorization: own.authorization }) };
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
    const before = this.#grant?.authorization;
    this.#challenge = challenges.find(({ scheme }) => scheme === "bearer");
    this.#grant = this.#challenge
      ? await this.#bearer(this.#challenge, signal)
      : this.#basic(url, challenges.some(({ scheme }) => scheme === "basic"));
    return this.#grant !== undefined && this.#grant.authorization !== before;
  }

  #bearer(challenge: Challenge, signal: AbortSignal): Promise<Grant> {
    if (this.#parts.credentials) this.#hasShownCredentials = true;
    return bearerGrant(this.#parts, challenge, signal);
  }

  #basic(url: URL, offered: boolean): Grant | undefined {
    if (!offered) return undefined;
    const authorization = basicAuthorization(this.#parts.credentials);
    if (authorization) {
      this.#hasShownCredentials = true;
      return { authorization };
    }
    // Docker's status for this is 500, and its words name the request.
    const address = `${url.origin}${url.pathname}`;
    throw this.#parts.noCredentials?.() ?? internal(`Get "${address}": no basic auth credentials`);
  }
}

/** The first three of these turn other methods into GET, which is no use to them. */
function isRedirect({ method }: Exchange, { status }: Answer): boolean {
  return [307, 308].includes(status) ||
    ([301, 302, 303].includes(status) && ["GET", "HEAD"].includes(method));
}
