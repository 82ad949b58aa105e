import type { Descriptor, IngestObserver, LayerProgress } from "../../images/backend.ts";
import type { IngestContext } from "./blobs.ts";
import type { Settings } from "../settings.ts";
import { ImageBudget } from "./image-budget.ts";
import type { SharedImages } from "./shared-images.ts";
import { Slots } from "./slots.ts";
import type { PlacedLayer } from "./unpack.ts";

/**
 * Fetches layers, some at a time, and unpacks each as soon as it and all below are there. Rejects with the first
 * failure, after everything under way has ended.
 */
export async function fetchAndUnpack(
  layers: readonly PlacedLayer[],
  context: IngestContext,
  shared: Pick<SharedImages, "blobs" | "unpacker">,
  settings: Settings,
  observe: IngestObserver,
): Promise<void> {
  const failed = new AbortController();
  const together = { ...context, signal: AbortSignal.any([context.signal, failed.signal]) };
  layers.forEach(({ blob }) => observe(blob, { state: "waiting" }));
  // Files are there already: containerd checks one while it unpacks the one before, and would do neither faster.
  const atOnce = context.source.file ? 1 : settings.concurrentLayers;
  tellQueue(layers, atOnce, observe);
  const fetched = startFetching(layers, together, shared, new Slots(atOnce), observe);
  for (const fetching of fetched.values()) fetching.catch((error) => failed.abort(error));
  const budget = new ImageBudget(settings);
  try {
    for (const layer of layers) {
      await fetched.get(layer.blob.digest);
      const report = (progress: LayerProgress) => observe(layer.blob, progress);
      await shared.unpacker.ensure(layer, together, budget.forLayer(), report);
      (await shared.unpacker.usesOf([layer.chainId])).forEach((use) => budget.add(use));
      observe(layer.blob, { state: "done" });
    }
  } catch (error) {
    failed.abort(error);
    throw together.signal.reason;
  } finally {
    await Promise.allSettled(fetched.values());
  }
}

/** Says which layers have to wait until others are there. */
function tellQueue(layers: readonly PlacedLayer[], atOnce: number, observe: IngestObserver): void {
  const queued = new Set([...new Set(layers.map(({ blob }) => blob.digest))].slice(atOnce));
  for (const { blob } of layers) if (queued.has(blob.digest)) observe(blob, { state: "queued" });
}

/**
 * Starts fetching all blobs in order, each digest once. The next one's turn comes when the last byte of one before
 * came in: containerd goes on with checking and syncing that meanwhile.
 */
function startFetching(
  layers: readonly PlacedLayer[],
  context: IngestContext,
  { blobs }: Pick<SharedImages, "blobs">,
  slots: Slots,
  observe: IngestObserver,
): Map<string, Promise<void>> {
  /** Places of the layers that are being read. */
  const coming = new Set<number>();
  const fetch = async (blob: Descriptor, place: number) => {
    const release = await slots.take(context.signal);
    coming.add(place);
    const received = () => {
      coming.delete(place);
      release();
    };
    const isBehind = () => [...coming].some((other) => other < place);
    try {
      const report = (progress: LayerProgress) => observe(blob, progress);
      await blobs.ensure(blob, { ...context, received, isBehind }, report);
    } finally {
      received();
    }
  };
  const fetched = new Map<string, Promise<void>>();
  for (const [place, { blob }] of layers.entries()) {
    if (!fetched.has(blob.digest)) fetched.set(blob.digest, fetch(blob, place));
  }
  return fetched;
}
