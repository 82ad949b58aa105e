import { type ClientRequest, request as httpRequest, type RequestOptions } from "node:http";
import { Agent, type AgentOptions, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, type ConnectionOptions } from "node:tls";

/** How a proxy refuses; Go's `http.Transport` has the status text as error. */
export class ProxyRefused extends Error {}

/** The value of `Proxy-Authorization` for a proxy whose address holds a user name; undefined without. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (!username && !password) return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

type Connected = (error: Error | null, stream: Duplex) => void;

/**
 * An https agent whose connections go through a proxy by CONNECT. What a proxy answers instead of a tunnel is an
 * error and never taken for the registry's answer: otherwise a proxy could speak in the registry's name.
 */
export class TunnelAgent extends Agent {
  readonly #proxy: URL;
  readonly #timeoutMs: number;

  constructor(proxy: URL, timeoutMs: number, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
    this.#timeoutMs = timeoutMs;
  }

  /** node:http calls this for each new connection, and waits for the callback when nothing is returned. */
  override createConnection(options: RequestOptions, callback: Connected = () => {}): undefined {
    const host = String(options.host);
    const request = this.#connect(`${host.includes(":") ? `[${host}]` : host}:${options.port}`);
    const fail = (error: Error) => {
      request.destroy();
      // Whoever gets an error looks at nothing else.
      callback(error, undefined as unknown as Duplex);
    };
    request.setTimeout(this.#timeoutMs, () => fail(new ProxyRefused("the proxy does not answer")));
    request.once("error", fail);
    request.once("response", ({ statusMessage }) => fail(new ProxyRefused(statusMessage)));
    request.once("connect", (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        return fail(new ProxyRefused(response.statusMessage));
      }
      socket.setTimeout(0);
      const target = { ...options, host: undefined, port: undefined, path: undefined };
      callback(null, connect({ ...target, servername: isIP(host) ? "" : host, socket } as ConnectionOptions));
    });
    request.end();
  }

  #connect(target: string): ClientRequest {
    const proxy = this.#proxy;
    const authorization = proxyAuthorization(proxy);
    return (proxy.protocol === "https:" ? httpsRequest : httpRequest)({
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: target,
      headers: { host: target, ...(authorization && { "proxy-authorization": authorization }) },
      agent: false,
    });
  }
}
