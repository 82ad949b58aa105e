import { internal, invalid } from "../../core/support/errors.ts";
import type { RegistryCredentials } from "../images/backend.ts";
import type { Challenge } from "./challenge.ts";
import type { SessionParts } from "./session-parts.ts";
import { type Answer, type Exchange, parseUrl } from "./transport.ts";

/** Token answers longer than this are refused, in bytes. */
const tokenLimitBytes = 1024 * 1024;

/** The value of a Basic `Authorization` header; undefined without a user name. */
export function basicAuthorization(credentials: RegistryCredentials | undefined): string | undefined {
  if (!credentials?.username) return undefined;
  const pair = `${credentials.username}:${credentials.password ?? ""}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

/**
 * Gets a bearer token as a registry's challenge says. Source: distribution project, "Token Authentication" and
 * "OAuth2 Token Authentication" specifications. A registry reached over https cannot have credentials sent to a
 * token server without.
 */
export async function bearerAuthorization(
  { base, transport, credentials, scope, refuse }: SessionParts,
  challenge: Challenge,
  signal: AbortSignal,
): Promise<string> {
  if (credentials?.registrytoken) return `Bearer ${credentials.registrytoken}`;
  const realm = realmOf(base, challenge);
  const wanted = { service: challenge.parameters.service, scope };
  const exchange = credentials?.identitytoken
    ? refreshExchange(realm, wanted, credentials.identitytoken, signal)
    : tokenExchange(realm, wanted, credentials, signal);
  const answer = await transport.send(exchange);
  if (answer.status !== 200) throw await refuse(answer);
  return `Bearer ${await tokenOf(realm, answer)}`;
}

/** What a token is to be good for. */
type Wanted = { readonly service?: string; readonly scope?: string };

function realmOf(registry: URL, challenge: Challenge): URL {
  const realm = parseUrl(challenge.parameters.realm ?? "");
  if (!realm || !/^https?:$/.test(realm.protocol)) {
    throw invalid(`${registry.host} asks for a token and does not say where to get one`);
  }
  if (registry.protocol === "https:" && realm.protocol !== "https:") {
    throw invalid(`${registry.host} asks for a token from ${realm.host} over plain http, which is refused`);
  }
  return realm;
}

function tokenExchange(
  realm: URL,
  { service, scope }: Wanted,
  credentials: RegistryCredentials | undefined,
  signal: AbortSignal,
): Exchange {
  const url = new URL(realm);
  if (service) url.searchParams.set("service", service);
  for (const each of scope?.split(" ") ?? []) url.searchParams.append("scope", each);
  const basic = basicAuthorization(credentials);
  if (basic) url.searchParams.set("account", credentials?.username ?? "");
  return { method: "GET", url, headers: basic ? { authorization: basic } : {}, signal };
}

function refreshExchange(
  url: URL,
  { service, scope }: Wanted,
  identityToken: string,
  signal: AbortSignal,
): Exchange {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: identityToken,
    client_id: "berth",
    ...(service && { service }),
    ...(scope && { scope }),
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url, headers, body: form.toString(), signal };
}

async function tokenOf(realm: URL, answer: Answer): Promise<string> {
  const bytes = await answer.whole(tokenLimitBytes);
  let body: { token?: unknown; access_token?: unknown } | null;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw internal(`the token server ${realm.host} answered something that is not JSON`, error);
  }
  const value = body?.token ?? body?.access_token;
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw internal(`authorization server did not include a token in the response (${realm.host})`);
  }
  return value;
}
