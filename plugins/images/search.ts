import type { Reply } from "../../core/kernel/reply.ts";
import { ApiError } from "../../core/support/errors.ts";

/** `GET /images/search`: refused in words that say why. Source: OCI distribution spec, which has no search. */
export class ImageSearch {
  search(): Reply {
    throw new ApiError(
      "not-implemented",
      "image search is not available: registries have no common way to search, and this engine asks no other " +
        "service; look an image up on the registry's web site, and pull it by name",
    );
  }
}
