/** What the operator says about single registries: how they are reached, whom to trust, and who mirrors them. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { SettingsError } from "../../core/kernel/settings.ts";
import { messageOf } from "../../core/support/errors.ts";
import { isHost, isLoopback, servingHost } from "./host-name.ts";
import type { HostSettings, Settings } from "./settings.ts";

const path = "plugins.registry.hosts";

/** Whom to believe that they are a host, and what to show them. */
export interface Trust {
  readonly secureContext: SecureContext | undefined;
  readonly insecureSkipVerify: boolean;
}

interface KnownHost {
  readonly isPlain: boolean;
  readonly trust: Trust;
  readonly mirrors: readonly URL[];
}

/** As `URL.host` writes it: without the port that https has anyway. */
const keyOf = (host: string) => servingHost(host).toLowerCase().replace(/:443$/, "");

const plainTrust: Trust = { secureContext: undefined, insecureSkipVerify: false };

/** The registries that settings speak of. Reads their files; a SettingsError names the key that is wrong. */
export class Hosts {
  readonly #known = new Map<string, KnownHost>();

  constructor({ plainHttp, hosts }: Pick<Settings, "plainHttp" | "hosts">) {
    for (const host of plainHttp) {
      this.#known.set(keyOf(host), { isPlain: true, trust: plainTrust, mirrors: [] });
    }
    hosts.forEach((settings, index) => this.#add(settings, `${path}.${index}`));
  }

  /** The hosts asked before a registry itself, in their order. None of them is ever shown a job's credentials. */
  mirrors(registry: string): readonly URL[] {
    return this.#known.get(keyOf(registry))?.mirrors ?? [];
  }

  /** The registry's own address, `https://registry.example:5000/`. */
  address(registry: string): URL {
    const host = servingHost(registry);
    const known = this.#known.get(keyOf(registry));
    const plain = known ? known.isPlain : isLoopback(host);
    return new URL(`${plain ? "http" : "https"}://${host}`);
  }

  /** Whom to trust to be the host of an address, whoever pointed at it. */
  trust({ host }: URL): Trust {
    return this.#known.get(host)?.trust ?? plainTrust;
  }

  #add(settings: HostSettings, key: string): void {
    const host = servingHost(settings.host);
    if (!isHost(host)) throw new SettingsError(`${key}.host`, `${settings.host} is no host or host:port`);
    const before = this.#known.get(keyOf(host));
    if (before && before.trust !== plainTrust) {
      throw new SettingsError(`${key}.host`, `${settings.host} has an entry already`);
    }
    this.#known.set(keyOf(host), {
      isPlain: isPlain(host, settings, before?.isPlain ?? false, key),
      trust: readTrust(settings, key),
      mirrors: (settings.mirrors ?? []).map((text, at) => mirrorAddress(text, `${key}.mirrors.${at}`)),
    });
  }
}

/** Settings about certificates mean https, on loopback too; so does `plainHttp = false`. */
function isPlain(host: string, settings: HostSettings, isListed: boolean, key: string): boolean {
  const tls = (["caFile", "clientCertFile", "clientKeyFile", "insecureSkipVerify"] as const)
    .find((name) => settings[name]);
  const plain = settings.plainHttp ?? (isListed || (isLoopback(host) && !tls));
  if (plain && tls) throw new SettingsError(`${key}.${tls}`, "is of no use over plain http");
  return plain;
}

function readTrust(settings: HostSettings, key: string): Trust {
  const read = (name: "caFile" | "clientCertFile" | "clientKeyFile") =>
    readPem(settings[name], `${key}.${name}`);
  const [ca, cert, keyPem] = [read("caFile"), read("clientCertFile"), read("clientKeyFile")];
  if ((cert === undefined) !== (keyPem === undefined)) {
    throw new SettingsError(
      `${key}.${cert ? "clientKeyFile" : "clientCertFile"}`,
      "is missing: a client certificate needs both",
    );
  }
  const insecureSkipVerify = settings.insecureSkipVerify ?? false;
  const isPlainTrust = ca === undefined && cert === undefined;
  return { insecureSkipVerify, secureContext: isPlainTrust ? undefined : context(ca, cert, keyPem, key) };
}

function context(
  ca: string | undefined,
  cert: string | undefined,
  keyPem: string | undefined,
  key: string,
): SecureContext {
  try {
    if (ca !== undefined) checkCertificates(ca);
    return createSecureContext({
      // Authorities given replace the well-known ones; Docker adds to them.
      ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
      ...(cert !== undefined && { cert, key: keyPem }),
    });
  } catch (error) {
    throw new SettingsError(
      `${key}.${ca === undefined ? "clientCertFile" : "caFile"}`,
      `cannot be used: ${messageOf(error)}`,
    );
  }
}

/** Contexts take authorities that nobody can read, and then trust nobody. */
function checkCertificates(pem: string): void {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (!blocks) throw new Error("no certificate in it");
  for (const block of blocks) new X509Certificate(block);
}

function readPem(file: string | undefined, key: string): string | undefined {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new SettingsError(key, `cannot be read: ${messageOf(error)}`);
  }
  if (!text.includes("-----BEGIN ")) throw new SettingsError(key, `${file} is not a PEM file`);
  return text;
}

function mirrorAddress(text: string, key: string): URL {
  const wrong = (problem: string) => new SettingsError(key, `${problem}; write https://mirror.example:5000`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw wrong("is not an address");
  // Not repeated in the text: it may hold a password.
  if (url.username || url.password) throw wrong("has a user name or password, which no mirror is shown");
  if (url.pathname !== "/" || url.search || url.hash) throw wrong("has a path, which mirrors cannot have");
  return url;
}
