import type { IngestObserver } from "../../images/backend.ts";
import type { IngestContext } from "./blobs.ts";
import type { SharedImages } from "./shared-images.ts";
import { Turns } from "../../../core/support/turns.ts";
import type { PlacedLayer } from "./unpack.ts";

/**
 * Fetches layers, some at a time, and unpacks each as soon as it and all below are there. Rejects with the first
 * failure, after everything under way has ended.
 */
export async function fetchAndUnpack(
  layers: readonly PlacedLayer[],
  context: IngestContext,
  shared: Pick<SharedImages, "blobs" | "unpacker">,
  concurrency: number,
  observe: IngestObserver,
): Promise<void> {
  const failed = new AbortController();
  const together = { ...context, signal: AbortSignal.any([context.signal, failed.signal]) };
  layers.forEach(({ blob }) => observe(blob, { state: "waiting" }));
  const digests = [...new Set(layers.map(({ blob }) => blob.digest))].slice(concurrency);
  for (const { blob } of layers) if (digests.includes(blob.digest)) observe(blob, { state: "queued" });
  const fetched = startFetching(layers, together, shared, new Turns(concurrency), observe);
  for (const fetching of fetched.values()) fetching.catch((error) => failed.abort(error));
  try {
    for (const layer of layers) {
      await fetched.get(layer.blob.digest);
      await shared.unpacker.ensure(layer, together, (progress) => observe(layer.blob, progress));
      observe(layer.blob, { state: "done" });
    }
  } catch (error) {
    failed.abort(error);
    throw together.signal.reason;
  } finally {
    await Promise.allSettled(fetched.values());
  }
}

/** Starts fetching all blobs in order, each digest once. */
function startFetching(
  layers: readonly PlacedLayer[],
  context: IngestContext,
  { blobs }: Pick<SharedImages, "blobs">,
  turns: Turns,
  observe: IngestObserver,
): Map<string, Promise<void>> {
  const fetched = new Map<string, Promise<void>>();
  for (const { blob } of layers) {
    if (fetched.has(blob.digest)) continue;
    const fetch = () => blobs.ensure(blob, context, (progress) => observe(blob, progress));
    fetched.set(blob.digest, turns.run(fetch));
  }
  return fetched;
}
