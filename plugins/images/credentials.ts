import type { RegistryCredentials } from "./backend.ts";

/**
 * Reads `X-Registry-Auth`: JSON in URL-safe base64. As with Docker a header that cannot be read counts as none, so
 * that the registry decides. Source: Engine API, "Authentication".
 */
export function credentialsOf(header: string | undefined): RegistryCredentials | undefined {
  if (!header) return undefined;
  let raw: Record<string, unknown> | null;
  try {
    raw = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  return credentialsIn(raw ?? {});
}

/** The credentials in an object of the header's form, which entries of client configurations have too. */
export function credentialsIn(raw: Readonly<Record<string, unknown>>): RegistryCredentials | undefined {
  const text = (name: string) => {
    const value = raw[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const { username, password } = decodeAuth(text("auth"));
  const credentials = {
    username: text("username") ?? username,
    password: text("password") ?? password,
    identitytoken: text("identitytoken"),
    registrytoken: text("registrytoken"),
  };
  return Object.values(credentials).some((value) => value !== undefined) ? credentials : undefined;
}

/** The `auth` field of client configurations: base64 of `user:password`. */
function decodeAuth(auth: string | undefined): { username?: string; password?: string } {
  if (auth === undefined) return {};
  const pair = Buffer.from(auth, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon < 0 ? {} : { username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}
