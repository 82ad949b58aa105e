/** Connection errors in the words of Docker's daemon, which come from Go's net, crypto/tls and net/http packages. */
import { isIP } from "node:net";
import { ProxyAway, ProxyRefused } from "./tunnel.ts";

/** No headers in time. */
export class TimedOut extends Error {}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code ?? "";

/** Broke before an answer came: the other side may have closed a kept connection. */
export const isReset = (error: unknown): boolean => ["ECONNRESET", "EPIPE"].includes(codeOf(error));

/** The name server does not answer, which passes. */
export const isLookupHiccup = (error: unknown): boolean => codeOf(error) === "EAI_AGAIN";

/** The host is not there, or silent: it may be starting. */
export const isAway = (error: unknown): boolean =>
  error instanceof TimedOut ||
  ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"].includes(codeOf(error));

const unknownAuthority = "x509: certificate signed by unknown authority";

const certificateWords: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  CERT_UNTRUSTED: unknownAuthority,
  CERT_HAS_EXPIRED: "x509: certificate has expired or is not yet valid",
  CERT_NOT_YET_VALID: "x509: certificate has expired or is not yet valid",
  CERT_SIGNATURE_FAILURE: "x509: certificate signature is not valid",
  INVALID_PURPOSE: "x509: certificate specifies an incompatible key usage",
};

const alertWords: Readonly<Record<string, string>> = {
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "remote error: tls: certificate required",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "remote error: tls: bad certificate",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "remote error: tls: unknown certificate authority",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: "remote error: tls: handshake failure",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "remote error: tls: protocol version not supported",
};

/** What went wrong on the way to an address. */
export function inGoWords(url: URL, error: unknown): string {
  if (error instanceof TimedOut) {
    return "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)";
  }
  if (error instanceof ProxyRefused) return `proxyconnect tcp: ${printable(error.message)}`;
  if (error instanceof ProxyAway) return `proxyconnect tcp: ${inGoWords(error.address, error.cause)}`;
  const code = codeOf(error);
  return networkWords(url, code) ?? tlsWords(url, code, error) ?? otherWords(code, error);
}

function networkWords(url: URL, code: string): string | undefined {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const dial = `dial tcp ${url.hostname}:${port}`;
  if (code === "ECONNREFUSED") return `${dial}: connect: connection refused`;
  if (code === "ENOTFOUND") return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === "EAI_AGAIN") return `dial tcp: lookup ${url.hostname}: server misbehaving`;
  if (code === "EHOSTUNREACH") return `${dial}: connect: no route to host`;
  if (code === "ENETUNREACH") return `${dial}: connect: network is unreachable`;
  if (code === "ETIMEDOUT") return `${dial}: connect: connection timed out`;
  if (code === "ECONNRESET" || code === "EPIPE") return "EOF";
  return undefined;
}

function tlsWords(url: URL, code: string, error: unknown): string | undefined {
  const certificate = code === "ERR_TLS_CERT_ALTNAME_INVALID"
    ? wrongName(url.hostname, error as NameError)
    : certificateWords[code];
  if (certificate) return `tls: failed to verify certificate: ${certificate}`;
  // Node says EPROTO, Deno ERR_SSL_WRONG_VERSION_NUMBER.
  if (/wrong version number/.test(error instanceof Error ? error.message : "")) {
    return "http: server gave HTTP response to HTTPS client";
  }
  return alertWords[code];
}

type NameError = Error & { readonly cert?: { readonly subjectaltname?: string } };

function wrongName(host: string, { cert }: NameError): string {
  const names = (cert?.subjectaltname ?? "").split(", ");
  const kind = isIP(host.replace(/^\[|\]$/g, "")) ? "IP Address:" : "DNS:";
  const valid = names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  if (valid.length === 0) return `x509: certificate is not valid for any names, but wanted to match ${host}`;
  return `x509: certificate is valid for ${printable(valid.join(", "))}, not ${host}`;
}

function otherWords(code: string, error: unknown): string {
  if (code === "HPE_HEADER_OVERFLOW") return "the headers of the answer are too large";
  // Node's parser, and Deno's when a server speaks TLS to a plain request.
  if (code.startsWith("HPE_")) {
    return "net/http: HTTP/1.x transport connection broken: malformed HTTP response";
  }
  return printable(error instanceof Error ? error.message : String(error));
}

/** What others wrote goes to terminals: no control characters, and not too much of it. */
export const printable = (text: string): string => text.replace(/\p{Cc}+/gu, " ").slice(0, 500);
