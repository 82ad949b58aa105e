import type { ApiRequest } from "../../../core/kernel/request.ts";
import { invalid } from "../../../core/support/errors.ts";
import type { Platform } from "../backend.ts";
import { decodePlatform, suits } from "../platform.ts";

/**
 * The `platform` of save and load: a JSON object, known since API 1.48 and before that a word like any other.
 * Undefined when none was asked for. Errors: `invalid` in Docker's words.
 */
export function requestedPlatform(
  { query, version }: Pick<ApiRequest, "query" | "version">,
): Platform | undefined {
  const asked = version.atLeast("1.48") ? query.all("platform").filter((text) => text !== "") : [];
  if (asked.length > 1) throw invalid("multiple platform parameters not supported");
  return asked[0] === undefined ? undefined : decodePlatform(asked[0]);
}

/** Whether what an archive calls a platform serves where another is wanted. One that it does not name serves everywhere. */
export function isFor(offered: unknown, wanted: Platform): boolean {
  if (typeof offered !== "object" || offered === null) return true;
  const { os, architecture, variant } = offered as Record<string, unknown>;
  if (typeof os !== "string" || typeof architecture !== "string") return false;
  return suits({ os, architecture, ...(typeof variant === "string" && { variant }) }, wanted);
}
