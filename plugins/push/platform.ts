import { invalid, messageOf, notFound } from "../../core/support/errors.ts";
import type { Platform, StoredImage } from "../images/backend.ts";

/** Reads the `platform` parameter: JSON of OCI's platform. Words are Docker's. Source: Engine API 1.46. */
export function platformOf(text: string | undefined): Platform | undefined {
  if (!text) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw invalid(`failed to parse platform: ${messageOf(error)}`, error);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid("failed to parse platform: it is not an object");
  }
  const { os, architecture, variant } = body as Record<string, unknown>;
  if (typeof os !== "string" || typeof architecture !== "string" || !os || !architecture) {
    throw invalid("both OS and Architecture must be provided");
  }
  return { os, architecture, ...(typeof variant === "string" && variant && { variant }) };
}

/** Refuses an image that is not for the platform. */
export function checkPlatform({ config }: StoredImage, reference: string, wanted: Platform): void {
  const sameVariant = wanted.variant === undefined || wanted.variant === config.variant;
  if (config.os === wanted.os && config.architecture === wanted.architecture && sameVariant) return;
  const text = ({ os, architecture, variant }: Platform) =>
    [os, architecture, variant].filter(Boolean).join("/");
  throw notFound(
    `image with reference ${reference} was found but its platform (${text(config)}) does not match the ` +
      `specified platform (${text(wanted)})`,
  );
}
