import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource, Platform } from "../backend.ts";
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

/** The bytes of a blob from its spooled file. */
export async function* readFile(
  files: ReadonlyMap<string, SpooledFile>,
  blob: Descriptor,
  offset: number,
): AsyncIterable<Uint8Array> {
  const file = files.get(blob.digest);
  if (!file) throw invalid(`the archive does not have the blob ${blob.digest}`);
  if (offset < file.sizeBytes) yield* readFrom(file, offset);
}
