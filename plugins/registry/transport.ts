/**
 * HTTP exchanges with registries: a request out, headers back within a deadline, the body as it comes. Built on
 * node:http and node:https because certificates and authorities of one's own are options there.
 */
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { ApiError, internal } from "../../core/support/errors.ts";
import { Agents, type Route } from "./agents.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { inGoWords, isAway, isLookupHiccup, isReset, TimedOut } from "./go-words.ts";
import type { Hosts } from "./hosts.ts";
import { HttpAnswer } from "./http-answer.ts";
import type { Proxies } from "./proxy.ts";
import { Retries } from "./retries.ts";
import { sendBody, type StreamedBody } from "./send-body.ts";
import type { Settings } from "./settings.ts";
import { ProxyAway } from "./tunnel.ts";

export { type Answer, type Exchange, parseUrl } from "./exchange.ts";

/** Headers of an answer that are longer than this break it off, in bytes. */
const headerLimitBytes = 64 * 1024;

export type TransportSettings = Pick<
  Settings,
  "responseTimeoutMs" | "idleTimeoutMs" | "tries" | "retryPauseMs" | "retryAfterLimitMs"
>;

/** Sends requests; owns the connections it keeps for the next one. */
export class Transport {
  readonly #settings: TransportSettings;
  readonly #agents: Agents;

  constructor(settings: TransportSettings, hosts: Hosts, proxies: Proxies) {
    this.#settings = settings;
    this.#agents = new Agents(hosts, proxies, settings.responseTimeoutMs);
  }

  /**
   * Sends a request; GET and HEAD again, after a pause, while the answer says that the registry is overloaded or the
   * connection breaks. Answers of any status are returned. Errors: `internal` in Docker's words, the signal's reason.
   */
  async send(exchange: Exchange): Promise<Answer> {
    const tries = isRepeatable(exchange) ? exchange.tries ?? this.#settings.tries : 1;
    const retries = new Retries(tries, this.#settings, exchange.signal);
    for (;;) {
      try {
        const answer = await this.#onKeptConnection(exchange);
        if (!await retries.another(answer)) return answer;
      } catch (error) {
        if (!mayPass(error, exchange) || !await retries.anotherAfterError()) {
          throw this.#translate(exchange, error);
        }
      }
    }
  }

  close(): void {
    this.#agents.close();
  }

  #translate(exchange: Exchange, error: unknown): unknown {
    const proxy = this.#agents.proxyInstead(exchange.url);
    return translate(exchange, proxy && isAway(error) ? new ProxyAway(proxy, error) : error);
  }

  /** A kept connection may have been closed by the other side meanwhile: such a request goes out anew at once. */
  async #onKeptConnection(exchange: Exchange): Promise<Answer> {
    exchange.signal.throwIfAborted();
    const request = open(exchange, this.#agents.route(exchange.url));
    try {
      return await this.#answerTo(request, exchange);
    } catch (error) {
      if (!isReset(error) || !request.reusedSocket || !isRepeatable(exchange)) throw error;
    }
    exchange.signal.throwIfAborted();
    return await this.#answerTo(open(exchange, this.#agents.route(exchange.url)), exchange);
  }

  async #answerTo(request: ClientRequest, exchange: Exchange): Promise<Answer> {
    const response = await sendAndWait(request, exchange, this.#settings);
    return new HttpAnswer(exchange, response, this.#settings.idleTimeoutMs);
  }
}

function open(
  { method, url, headers, body }: Exchange,
  { headers: ofRoute, ...route }: Route,
): ClientRequest {
  return (route.protocol === "https:" ? httpsRequest : httpRequest as typeof httpsRequest)({
    ...route,
    method,
    headers: { host: url.host, ...headers, ...ofRoute, ...lengthOf(body) },
    maxHeaderSize: headerLimitBytes,
  });
}

/**
 * Sends the body and waits for the answer's headers. While a body goes out, each part of it has to go in the idle time;
 * waiting for whoever delivers it does not count.
 */
function sendAndWait(
  request: ClientRequest,
  { body, answerTimeoutMs, signal }: Exchange,
  { responseTimeoutMs, idleTimeoutMs }: TransportSettings,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let settled = false;
    let late: NodeJS.Timeout | undefined;
    const expect = (timeoutMs: number) => {
      clearTimeout(late);
      if (!settled) late = setTimeout(() => stop(new TimedOut("no answer in time")), timeoutMs);
    };
    const abort = () => stop(signal.reason);
    const settle = () => {
      settled = true;
      clearTimeout(late);
      signal.removeEventListener("abort", abort);
    };
    const stop = (error: Error) => {
      settle();
      reject(error);
      request.destroy(error);
    };
    signal.addEventListener("abort", abort, { once: true });
    expect(responseTimeoutMs);
    // Errors after the answer arrived belong to the body's reader.
    request.on("error", (error) => (settle(), reject(error)));
    request.once("response", (response) => {
      settle();
      // The rest of a body that nobody wants any more would keep the connection for good.
      if (!request.writableEnded) response.once("close", () => request.destroy());
      resolve(response);
    });
    if (!isStreamed(body)) return void request.end(body);
    const listener = { onStalled: () => expect(idleTimeoutMs), onGoing: () => clearTimeout(late) };
    sendBody(request, body.open(), listener)
      .then((sent) => sent && expect(answerTimeoutMs ?? responseTimeoutMs), stop);
  });
}

const isStreamed = (body: Exchange["body"]): body is StreamedBody =>
  typeof body === "object" && !(body instanceof Uint8Array);

function lengthOf(body: Exchange["body"]): Record<string, number> {
  const bytes = isStreamed(body) ? body.sizeBytes : body === undefined ? undefined : Buffer.byteLength(body);
  return bytes === undefined ? {} : { "content-length": bytes };
}

const isRepeatable = ({ method }: Exchange) => method === "GET" || method === "HEAD";

const mayPass = (error: unknown, { isPatient }: Exchange) =>
  isReset(error) || isLookupHiccup(error) || (isPatient === true && isAway(error));

function translate({ method, url, signal }: Exchange, error: unknown): unknown {
  if (signal.aborted) return signal.reason;
  // Whoever delivered the body knows what went wrong with it.
  if (error instanceof ApiError) return error;
  const name = method.charAt(0) + method.slice(1).toLowerCase();
  // Without the query, which may hold a signature that lets whoever has it fetch the blob.
  return internal(`${name} "${url.origin}${url.pathname}": ${inGoWords(url, error)}`);
}
