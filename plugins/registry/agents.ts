import { Agent as HttpAgent, type RequestOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Hosts } from "./hosts.ts";
import type { Proxies } from "./proxy.ts";
import { proxyAuthorization, TunnelAgent } from "./tunnel.ts";

/** How a request reaches its address: what node:http wants to know beyond method and headers. */
export type Route = Pick<RequestOptions, "protocol" | "host" | "port" | "path" | "agent"> & {
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
    const options = {
      ...pool,
      rejectUnauthorized: !insecureSkipVerify,
      ...(secureContext && { secureContext }),
    };
    const agent = proxy ? new TunnelAgent(proxy, this.#timeoutMs, options) : new HttpsAgent(options);
    this.#secure.set(key, agent);
    return agent;
  }
}

const pool = { keepAlive: true, maxFreeSockets: 8, timeout: idleConnectionMs };

function direct(url: URL): Omit<Route, "agent"> {
  return {
    protocol: url.protocol,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (url.protocol === "https:" ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: {},
  };
}
