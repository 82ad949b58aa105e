import { readFile } from "node:fs/promises";
import { messageOf } from "../../../core/support/errors.ts";
import type { RegistryCredentials } from "../backend.ts";
import { readEntry } from "../credentials.ts";
import { registryOfAddress } from "../remote.ts";
import type { Settings } from "../settings.ts";

/** What a file in the format of docker's config.json says of each registry. */
export type CredentialsByRegistry = (registry: string) => RegistryCredentials | undefined;

/**
 * Reads the `auths` of a file that `docker login` wrote. Errors name the file: it cannot be read, is not JSON, or
 * leaves the credentials to a helper program, which is not run.
 */
export async function readCredentials(
  path: string,
  settings: Pick<Settings, "defaultRegistry">,
): Promise<CredentialsByRegistry> {
  const file = await parse(path);
  for (const field of ["credsStore", "credHelpers"]) {
    if (file[field]) {
      throw new Error(
        `${path}: ${field} is not supported: put the credentials into auths, as docker login does`,
      );
    }
  }
  const auths = isObject(file["auths"]) ? file["auths"] : {};
  const known = new Map<string, RegistryCredentials | undefined>();
  for (const [name, entry] of Object.entries(auths)) {
    if (isObject(entry)) known.set(registryOfAddress(name, settings), readEntry(entry));
  }
  return (registry) => known.get(registry);
}

async function parse(path: string): Promise<Record<string, unknown>> {
  try {
    const file: unknown = JSON.parse(await readFile(path, "utf8"));
    if (isObject(file)) return file;
  } catch (error) {
    // The parser's message quotes what it read.
    const problem = error instanceof SyntaxError ? "is not JSON" : `cannot be read: ${messageOf(error)}`;
    throw new Error(`${path} ${problem}`);
  }
  throw new Error(`${path} is no JSON object`);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
