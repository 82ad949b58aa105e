/** What a request's headers say about registries. Source: Engine API, "Authentication". */
import type { RegistryCredentials } from "./backend.ts";

type Headers = Readonly<Record<string, string | undefined>>;
type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads `X-Registry-Auth`: JSON in URL-safe base64. As with Docker a header that cannot be read counts as none, so
 * that the registry decides.
 */
export function credentialsOf(header: string | undefined): RegistryCredentials | undefined {
  return header ? readEntry(decode(header)) : undefined;
}

/**
 * The entry of `X-Registry-Config` for a registry: a JSON object of credentials by server address, in URL-safe base64.
 *
 * @param isMeant true for the address, as clients keep it, of the registry asked
 */
export function configuredCredentials(
  header: string | undefined,
  isMeant: (serverAddress: string) => boolean,
): RegistryCredentials | undefined {
  const config = header ? decode(header) : undefined;
  const address = Object.keys(config ?? {}).find(isMeant);
  return address === undefined ? undefined : readEntry(config?.[address]);
}

/** True when the request itself says as whom it comes: an empty header says as nobody. */
export const speaksForItself = (headers: Headers): boolean => headers["x-registry-auth"] !== undefined;

/** One set of credentials as clients write it; undefined when nothing in it says who somebody is. */
export function readEntry(raw: unknown): RegistryCredentials | undefined {
  const entry = (typeof raw === "object" ? raw : undefined) as Fields | null | undefined;
  const text = (name: string) => {
    const value = entry?.[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const { username, password } = decodePair(text("auth"));
  const credentials = {
    username: text("username") ?? username,
    password: text("password") ?? password,
    identitytoken: text("identitytoken"),
    registrytoken: text("registrytoken"),
  };
  return Object.values(credentials).some((value) => value !== undefined) ? credentials : undefined;
}

function decode(header: string): Fields | undefined {
  try {
    const body = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
    return typeof body === "object" && body !== null && !Array.isArray(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** The `auth` field of client configurations: base64 of `user:password`. */
function decodePair(auth: string | undefined): { username?: string; password?: string } {
  if (auth === undefined) return {};
  const pair = Buffer.from(auth, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon < 0 ? {} : { username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}
