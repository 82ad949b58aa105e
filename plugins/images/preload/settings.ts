import { isAbsolute } from "node:path";
import { Type } from "typebox";
import { messageOf } from "../../../core/support/errors.ts";
import { parseReference, type Reference, refuseAmbiguous, withDefaultTag } from "../reference.ts";

/** The keys of `[plugins.images]` that say what every job has from its start. */
export const preloadSettings = {
  preload: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    uniqueItems: true,
    description:
      'Images that every job has from its start, as if it had pulled them: ["registry.example/base:1"]. Pulled in ' +
      "the background when the daemon starts, until each is there; a registry that is down holds nothing up. They stay " +
      "on disk whatever the watermarks say, and every job can read them.",
  }),
  preloadCredentials: Type.Optional(Type.String({
    minLength: 1,
    description:
      "File with the credentials for them, in the format of docker's config.json with `auths`; an absolute path. Jobs " +
      "never see it. Without it they are pulled without credentials.",
  })),
};

/** The images to preload. Errors start with the key. */
export function preloadReferences(
  { preload, preloadCredentials }: {
    readonly preload: readonly string[];
    readonly preloadCredentials?: string;
  },
): Reference[] {
  if (preloadCredentials !== undefined && !isAbsolute(preloadCredentials)) {
    throw new Error(`preloadCredentials: ${preloadCredentials} is not an absolute path`);
  }
  return preload.map((text, index) => {
    try {
      const reference = withDefaultTag(parseReference(text));
      refuseAmbiguous(reference);
      return reference;
    } catch (error) {
      throw new Error(`preload.${index}: ${messageOf(error)}: ${text}`, { cause: error });
    }
  });
}
