import { Agent as HttpAgent, type RequestOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { connect, isIP } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { tlsReadsAhead } from "../../core/support/runtime.ts";
import type { Hosts } from "./hosts.ts";
import type { Proxies } from "./proxy.ts";
import { secureOver } from "./read-ahead.ts";
import { proxyAuthorization, TunnelAgent } from "./tunnel.ts";

/** How a request reaches its address: what node:http wants to know beyond method and headers. */
export type Route = Pick<RequestOptions, "protocol" | "host" | "port" | "path" | "agent"> & {
  /** Whose certificate is wanted: node:https would take the name in the `Host` header, a proxy's request for another. */
  readonly servername: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** Connections idle longer than this are closed, in milliseconds: shorter than most servers wait. */
const idleConnectionMs = 15_000;

/** Owns the kept connections: one pool for each way to trust and each proxy. */
export class Agents {
  readonly #hosts: Hosts;
  readonly #proxies: Proxies;
  readonly #timeoutMs: number;
  readonly #plain = new HttpAgent(pool);
  readonly #secure = new Map<string, HttpsAgent>();

  /** @param timeoutMs how long a proxy may take to make a tunnel */
  constructor(hosts: Hosts, proxies: Proxies, timeoutMs: number) {
    this.#hosts = hosts;
    this.#proxies = proxies;
    this.#timeoutMs = timeoutMs;
  }

  route(url: URL): Route {
    const proxy = this.#proxies.of(url);
    if (url.protocol === "https:") return { ...direct(url), agent: this.#secureAgent(url, proxy) };
    return proxy ? this.#throughProxy(url, proxy) : { ...direct(url), agent: this.#plain };
  }

  /** The proxy that stands for the host itself: every connection error is about it. */
  proxyInstead(url: URL): URL | undefined {
    return url.protocol === "http:" ? this.#proxies.of(url) : undefined;
  }

  close(): void {
    this.#plain.destroy();
    for (const agent of this.#secure.values()) agent.destroy();
    this.#secure.clear();
  }

  /** Plain http goes to a proxy as a request for the whole address. */
  #throughProxy(url: URL, proxy: URL): Route {
    const authorization = proxyAuthorization(proxy);
    return {
      ...direct(proxy),
      path: `${url.origin}${url.pathname}${url.search}`,
      headers: { host: url.host, ...(authorization && { "proxy-authorization": authorization }) },
      agent: proxy.protocol === "https:" ? this.#secureAgent(proxy, undefined) : this.#plain,
    };
  }

  #secureAgent(url: URL, proxy: URL | undefined): HttpsAgent {
    const { secureContext, insecureSkipVerify } = this.#hosts.trust(url);
    // node:http keeps connections of one pool apart by address, and cannot tell secure contexts apart.
    const key = `${secureContext || insecureSkipVerify ? url.host : ""} ${proxy?.href ?? ""}`;
    const known = this.#secure.get(key);
    if (known) return known;
    const options = { ...pool, ...this.#tls(url) };
    const agent = proxy
      ? new TunnelAgent({ proxy, tls: this.#tls(proxy), timeoutMs: this.#timeoutMs }, options)
      : tlsReadsAhead
      ? new DirectAgent(options)
      : new HttpsAgent(options);
    this.#secure.set(key, agent);
    return agent;
  }

  /** Whom to believe that they are the host of an address. */
  #tls(url: URL) {
    const { secureContext, insecureSkipVerify } = this.#hosts.trust(url);
    return { rejectUnauthorized: !insecureSkipVerify, ...(secureContext && { secureContext }) };
  }
}

/** TLS over connections that are held back. */
class DirectAgent extends HttpsAgent {
  override createConnection(options: RequestOptions): TLSSocket {
    const raw = connect({ host: String(options.host), port: Number(options.port) });
    return secureOver(raw, options as ConnectionOptions);
  }
}

const pool = { keepAlive: true, maxFreeSockets: 8, timeout: idleConnectionMs };

function direct(url: URL): Omit<Route, "agent"> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return {
    protocol: url.protocol,
    host,
    servername: isIP(host) ? "" : host,
    port: url.port || (url.protocol === "https:" ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: {},
  };
}
