/** Which proxy a request goes through. Source: Go's golang.org/x/net/http/httpproxy, which Docker's daemon uses. */
import { BlockList, isIP, isIPv6 } from "node:net";
import { SettingsError } from "../../core/kernel/settings.ts";
import type { ProxySettings } from "./settings.ts";

/** The environment's variables, upper and lower case: the upper case one wins, as in Go. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Decides for each address whether a proxy is asked for it, and which. */
export class Proxies {
  readonly #http: URL | undefined;
  readonly #https: URL | undefined;
  readonly #direct: readonly Exception[];

  /** Settings win over the environment. Errors: a SettingsError that names the setting or the variable. */
  constructor(settings: ProxySettings = {}, environment: Environment) {
    const ofEnvironment = (name: string) => environment[name] || environment[name.toLowerCase()];
    const proxy = (key: "http" | "https", name: string) =>
      settings[key] === undefined
        ? proxyAddress(ofEnvironment(name), name)
        : proxyAddress(settings[key], `plugins.registry.proxy.${key}`);
    this.#http = proxy("http", "HTTP_PROXY");
    this.#https = proxy("https", "HTTPS_PROXY");
    this.#direct = (settings.no ?? ofEnvironment("NO_PROXY") ?? "").split(",").flatMap(readException);
  }

  /** The proxy for an address; undefined when it is reached directly, as loopback always is. */
  of(url: URL): URL | undefined {
    const proxy = url.protocol === "https:" ? this.#https : this.#http;
    return proxy && !this.#isDirect(url) ? proxy : undefined;
  }

  #isDirect(url: URL): boolean {
    const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
    if (host === "localhost" || isLoopbackAddress(host)) return true;
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    return this.#direct.some((isException) => isException(host, port));
  }
}

type Exception = (host: string, port: string) => boolean;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

const family = (address: string) => isIPv6(address) ? "ipv6" : "ipv4";
const isLoopbackAddress = (host: string) => isIP(host) !== 0 && loopback.check(host, family(host));

/** One entry of NO_PROXY: `*`, an address, a subnet, a domain with all below it, `.domain` for those below only. */
function readException(raw: string): Exception[] {
  const text = raw.trim().toLowerCase();
  if (!text) return [];
  if (text === "*") return [() => true];
  const subnet = readSubnet(text);
  if (subnet) return [subnet];
  const [, name = "", port] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(text) ?? [];
  const host = name.replace(/^\[|\]$/g, "");
  if (!host) return [];
  const isPort = (asked: string) => port === undefined || port === asked;
  if (isIP(host)) return [(asked, askedPort) => asked === host && isPort(askedPort)];
  const suffix = host.startsWith("*.") ? host.slice(1) : host.startsWith(".") ? host : `.${host}`;
  const isDomainToo = !host.startsWith("*.") && !host.startsWith(".");
  return [
    (asked, askedPort) => isPort(askedPort) && (asked.endsWith(suffix) || (isDomainToo && asked === host)),
  ];
}

function readSubnet(text: string): Exception | undefined {
  const [, address = "", bits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (!isIP(address) || Number(bits) > (isIPv6(address) ? 128 : 32)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family(address));
  return (host) => isIP(host) !== 0 && list.check(host, family(host));
}

/** As Go reads it: `proxy.example:3128` is a proxy over http. */
function proxyAddress(text: string | undefined, key: string): URL | undefined {
  if (!text) return undefined;
  const whole = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`;
  // The address is not repeated in errors: it may hold a password.
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (!url?.hostname || !/^(?:[^%]|%[\da-f]{2})*$/i.test(url.username + url.password)) {
    throw new SettingsError(key, "is not the address of a proxy");
  }
  if (!/^https?:$/.test(url.protocol)) {
    throw new SettingsError(
      key,
      `proxies over ${url.protocol.slice(0, -1)} are not supported; use http or https`,
    );
  }
  return url;
}
