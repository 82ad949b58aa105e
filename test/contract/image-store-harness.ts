/** What the parts of the image stores' contract share. */
import { ApiError } from "../../core/support/errors.ts";
import type { Descriptor, ImageSource, ImageStore, StoredImage } from "../../plugins/images/backend.ts";
import { assert } from "../support/test.ts";

/** One engine with its jobs, for one test; closed by `undo`. */
export interface ImageStoreHarness {
  openJob(id: string): Promise<ImageStore>;
}

/** Registers one behaviour of the suite. */
export type Behaviour = (sentence: string, body: (engine: ImageStoreHarness) => Promise<void>) => void;

export const never = new AbortController().signal;
export const quiet = () => {};

export const take = (store: ImageStore, source: ImageSource): Promise<StoredImage> =>
  store.ingest(source, quiet, never);

/** All bytes of a blob from an offset on. */
export async function readAll(store: ImageStore, blob: Descriptor, offset = 0): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(blob, offset, never)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The error is an `invalid` one with these words. */
export function refused(error: Error, words: string): void {
  assert.instance(error, ApiError, error.stack);
  assert.is((error as ApiError).kind, "invalid", error.message);
  assert.match(error.message, words);
}
