import { invalid } from "../../../core/support/errors.ts";
import type { ImageSource, Platform } from "../backend.ts";
import { readFrom } from "./spool.ts";
import type { SpooledFile } from "./spool-file.ts";

/** One image of an archive with the names it is to get, as the archive spells them. */
export interface ArchivedImage {
  readonly names: readonly string[];
  readonly source: ImageSource;
}

/** Which of an archive's images are to be loaded. */
export interface WantedPlatform {
  readonly platform: Platform;
  /** True when the client asked for it: nothing else will do then. */
  readonly asked: boolean;
}

/** How a source gives the blobs that were spooled. */
export function spooledBlobs(
  files: ReadonlyMap<string, SpooledFile>,
): Required<Pick<ImageSource, "read" | "file">> {
  return {
    file: ({ digest }) => files.get(digest)?.path,
    async *read({ digest }, offset) {
      const file = files.get(digest);
      if (!file) throw invalid(`the archive does not have the blob ${digest}`);
      if (offset < file.sizeBytes) yield* readFrom(file, offset);
    },
  };
}
