import { internal, invalid } from "../../core/support/errors.ts";
import type { RegistryCredentials } from "../images/backend.ts";
import type { Challenge } from "./challenge.ts";
import type { SessionParts } from "./session-parts.ts";
import { type Answer, type Exchange, parseUrl } from "./transport.ts";

/** Token answers longer than this are refused, in bytes. */
const tokenLimitBytes = 1024 * 1024;

/** A token server that says nothing of a token's life means this, in seconds. Source: "Token Authentication". */
const usualLifeSeconds = 60;

/** A token is replaced so long before it ends, in milliseconds: a request takes its time too. */
const renewAheadMs = 5_000;

/** Berth's name at token servers. Source: "OAuth2 Token Authentication", `client_id`. */
const clientId = "berth";

/** The user name that goes with an identity token where a server takes names and passwords only. */
const identityTokenUser = "<token>";

/** What opens a registry's doors for a while. */
export interface Grant {
  /** The value of the `Authorization` header. */
  readonly authorization: string;
  /** When it is no good any more, as `Date.now()` tells time; absent when it does not end. */
  readonly endsAtMs?: number;
  /** What stands for the password from now on, when the server gave it. */
  readonly identityToken?: string;
}

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
export async function bearerGrant(
  parts: SessionParts,
  challenge: Challenge,
  signal: AbortSignal,
): Promise<Grant> {
  const { base, transport, credentials, refuse } = parts;
  if (credentials?.registrytoken) return { authorization: `Bearer ${credentials.registrytoken}` };
  const realm = realmOf(base, challenge);
  const asked: Asked = { parts, realm, service: challenge.parameters.service, signal };
  let answer = await transport.send(
    credentials?.identitytoken ? refreshExchange(asked) : tokenExchange(asked),
  );
  // Servers that know no OAuth take what is sent as a password.
  if (credentials?.identitytoken && [404, 405].includes(answer.status)) {
    answer.discard();
    answer = await transport.send(tokenExchange(asked));
  }
  if (answer.status !== 200) throw await refuse(answer);
  return await grantOf(realm, answer);
}

/** What a token is to be good for, and who gives it. */
interface Asked {
  readonly parts: SessionParts;
  readonly realm: URL;
  readonly service?: string;
  readonly signal: AbortSignal;
}

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

function tokenExchange({ parts, realm, service, signal }: Asked): Exchange {
  const { scope, isLogin, credentials } = parts;
  const url = new URL(realm);
  if (service) url.searchParams.set("service", service);
  for (const each of scope?.split(" ") ?? []) url.searchParams.append("scope", each);
  if (isLogin) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", clientId);
  }
  const shown = credentials?.identitytoken
    ? { username: credentials.username || identityTokenUser, password: credentials.identitytoken }
    : credentials;
  const basic = basicAuthorization(shown);
  if (basic) url.searchParams.set("account", shown?.username ?? "");
  return { method: "GET", url, headers: basic ? { authorization: basic } : {}, signal };
}

function refreshExchange({ parts: { scope, credentials }, realm, service, signal }: Asked): Exchange {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: credentials?.identitytoken ?? "",
    client_id: clientId,
    ...(service && { service }),
    ...(scope && { scope }),
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: form.toString(), signal };
}

async function grantOf(realm: URL, answer: Answer): Promise<Grant> {
  const body = readToken(realm, await answer.whole(tokenLimitBytes));
  const value = body.token ?? body.access_token;
  if (!isToken(value)) {
    throw internal(`authorization server did not include a token in the response (${realm.host})`);
  }
  return {
    authorization: `Bearer ${value}`,
    endsAtMs: Date.now() + lifeSeconds(body.expires_in) * 1000 - renewAheadMs,
    ...(isToken(body.refresh_token) && { identityToken: body.refresh_token }),
  };
}

function readToken(realm: URL, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    // Without the parser's error, which quotes the text: half a token may stand in it.
    throw internal(`the token server ${realm.host} answered something that is not JSON`);
  }
}

const isToken = (value: unknown): value is string =>
  typeof value === "string" && /^[\x21-\x7e]+$/.test(value);

/** As Docker's client: less than the usual life counts as that, or a pull would do nothing but ask for tokens. */
const lifeSeconds = (told: unknown): number =>
  typeof told === "number" && Number.isFinite(told) ? Math.max(told, usualLifeSeconds) : usualLifeSeconds;
