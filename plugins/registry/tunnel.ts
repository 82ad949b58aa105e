import { type ClientRequest, request as httpRequest, type RequestOptions } from "node:http";
import { Agent, type AgentOptions, request as httpsRequest } from "node:https";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import { secureOver } from "./read-ahead.ts";

/** A proxy that refuses, with the status text as message: Go has no other words for it. */
export class ProxyRefused extends Error {}

/** The way to a proxy failed, not the way from there. */
export class ProxyAway extends Error {
  /** Node's code of what went wrong, so that it can be told whether that passes. */
  readonly code: string | undefined;
  /** Without user name and password. */
  readonly address: URL;

  constructor(proxy: URL, cause: unknown) {
    super("the proxy cannot be reached", { cause });
    this.code = (cause as NodeJS.ErrnoException).code;
    this.address = new URL(proxy.origin);
  }
}

/** The value of `Proxy-Authorization` for a proxy whose address holds a user name; undefined without. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (!username && !password) return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

type Connected = (error: Error | null, stream: Duplex) => void;

/** Which proxy makes tunnels, whom to believe that they are it, and how long it may take. */
export interface TunnelMaker {
  readonly proxy: URL;
  readonly tls: Pick<ConnectionOptions, "secureContext" | "rejectUnauthorized">;
  readonly timeoutMs: number;
}

/**
 * An https agent whose connections go through a proxy by CONNECT. What a proxy answers instead of a tunnel is an
 * error and never taken for the registry's answer: otherwise a proxy could speak in the registry's name.
 */
export class TunnelAgent extends Agent {
  readonly #maker: TunnelMaker;

  constructor(maker: TunnelMaker, options: AgentOptions) {
    super(options);
    this.#maker = maker;
  }

  /** node:http calls this for each new connection, and waits for the callback when nothing is returned. */
  override createConnection(options: RequestOptions, callback: Connected = () => {}): undefined {
    const { proxy, timeoutMs } = this.#maker;
    const host = String(options.host);
    const request = this.#connect(`${host.includes(":") ? `[${host}]` : host}:${options.port}`);
    const fail = (error: Error) => {
      request.destroy();
      // Whoever gets an error looks at nothing else.
      callback(error, undefined as unknown as Duplex);
    };
    request.setTimeout(timeoutMs, () => fail(new ProxyRefused("the proxy does not answer")));
    request.once("error", (error) => fail(new ProxyAway(proxy, error)));
    request.once("response", ({ statusMessage }) => fail(new ProxyRefused(statusMessage)));
    request.once("connect", (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        return fail(new ProxyRefused(response.statusMessage));
      }
      socket.setTimeout(0);
      callback(null, secureOver(socket as Socket, options as ConnectionOptions));
    });
    request.end();
  }

  #connect(target: string): ClientRequest {
    const { proxy, tls } = this.#maker;
    const authorization = proxyAuthorization(proxy);
    const host = proxy.hostname.replace(/^\[|\]$/g, "");
    return (proxy.protocol === "https:" ? httpsRequest : httpRequest as typeof httpsRequest)({
      ...tls,
      host,
      // node:https would want a certificate for the name in the `Host` header.
      servername: isIP(host) ? "" : host,
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: target,
      headers: { host: target, ...(authorization && { "proxy-authorization": authorization }) },
      agent: false,
    });
  }
}
