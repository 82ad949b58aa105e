import type { ApiRequest } from "../../../core/kernel/request.ts";
import { invalid, messageOf } from "../../../core/support/errors.ts";
import type { Platform } from "../backend.ts";

/**
 * The `platform` of save and load: a JSON object, known since API 1.48 and before that a word like any other.
 * Undefined when none was asked for. Errors: `invalid` in Docker's words.
 */
export function requestedPlatform({ query, version }: Pick<ApiRequest, "query" | "version">) {
  const asked = version.atLeast("1.48") ? query.all("platform").filter((text) => text !== "") : [];
  if (asked.length > 1) throw invalid("multiple platform parameters not supported");
  return asked[0] === undefined ? undefined : parse(asked[0]);
}

function parse(text: string): Platform {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw invalid(`failed to parse platform: ${messageOf(error)}`, error);
  }
  const { os, architecture, variant } = (raw ?? {}) as Record<string, unknown>;
  if (!isWord(os) || !isWord(architecture)) throw invalid("both OS and Architecture must be provided");
  return { os, architecture, ...(isWord(variant) && { variant }) };
}

const isWord = (value: unknown): value is string => typeof value === "string" && value !== "";

/** `linux/arm64/v8`. */
export const platformText = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant ? [variant] : [])].join("/");

/** Whether something made for one platform is what was asked for. An unknown variant is any. */
export function isFor(offered: Partial<Platform> | undefined, wanted: Platform): boolean {
  if (offered === undefined) return true;
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  return !wanted.variant || !offered.variant || offered.variant === wanted.variant;
}
