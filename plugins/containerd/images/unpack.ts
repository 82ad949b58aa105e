import { randomUUID } from "node:crypto";
import { ApiError, invalid } from "../../../core/support/errors.ts";
import type { Descriptor } from "../../images/backend.ts";
import { type ContainerdConnection, underLease } from "../connection.ts";
import { engineError, isAlreadyThere, unlessMissing } from "../errors.ts";
import type { Mount } from "../gen/types_pb.ts";
import { snapshotResource } from "../lease.ts";
import type { Settings } from "../settings.ts";
import type { Blobs, IngestContext } from "./blobs.ts";
import type { Flights, ProgressListener } from "./flights.ts";
import { uncompressedLabel } from "./labels.ts";
import { Slots } from "./slots.ts";
import { type DiskUse, type UsageWatch, type UseLimit, watchUsage } from "./usage-watch.ts";

/** One layer in its place: what it must unpack to, and on top of what. */
export interface PlacedLayer {
  readonly blob: Descriptor;
  /** What the configuration says that the layer unpacks to. */
  readonly diffId: string;
  readonly chainId: string;
  /** The chain ID of the layer below; undefined for the lowest. */
  readonly parent: string | undefined;
}

/** Prefix of the names of snapshots that are being unpacked into, so that those a killed daemon left can be told. */
export const unpackPrefix = "berth-unpack-";

/** Unpacks layers into snapshots under their chain IDs, each once for all jobs. */
export class Unpacker {
  readonly #connection: ContainerdConnection;
  readonly #blobs: Blobs;
  readonly #flights: Flights;
  readonly #settings: Settings;
  readonly #unpacks: Slots;

  constructor(connection: ContainerdConnection, blobs: Blobs, flights: Flights, settings: Settings) {
    this.#connection = connection;
    this.#blobs = blobs;
    this.#flights = flights;
    this.#settings = settings;
    this.#unpacks = new Slots(settings.concurrentUnpacks);
  }

  /** Whether a chain's snapshot is there. */
  async has(chainId: string): Promise<boolean> {
    const { snapshotter } = this.#settings;
    return await unlessMissing(this.#connection.snapshots.stat({ snapshotter, key: chainId })) !== undefined;
  }

  /**
   * Resolves when the layer's snapshot is there, held by the lease. The caller has made sure of the job's right to
   * the blob, and that those of all layers below are unpacked.
   *
   * @param limit what it may take on disk when it is not there yet
   */
  async ensure(
    layer: PlacedLayer,
    context: IngestContext,
    limit: UseLimit,
    report: ProgressListener,
  ): Promise<void> {
    for (;;) {
      context.signal.throwIfAborted();
      if (await this.#holdUnpacked(layer, context)) return;
      const unpack = (reportToAll: ProgressListener) =>
        this.#unpackInTurn(layer, context, limit, reportToAll);
      if (await this.#flights.join(layer.chainId, report, context.signal, unpack)) return;
    }
  }

  /** What each of a chain's layers takes on disk. */
  async usesOf(chainIds: readonly string[]): Promise<DiskUse[]> {
    const { snapshotter } = this.#settings;
    const usages = await Promise.all(
      chainIds.map((key) => this.#connection.snapshots.usage({ snapshotter, key })),
    );
    return usages.map(({ size, inodes }) => ({ sizeBytes: Number(size), files: Number(inodes) }));
  }

  /**
   * Puts the layer's snapshot under the lease, if it is there and this very blob was seen to unpack to its diff ID.
   * Looks again after: collection may have come between.
   */
  async #holdUnpacked({ blob, diffId, chainId }: PlacedLayer, { leaseId }: IngestContext): Promise<boolean> {
    const [info, isThere] = await Promise.all([this.#blobs.info(blob.digest), this.has(chainId)]);
    if (!isThere || info?.labels[uncompressedLabel] !== diffId) return false;
    const resource = snapshotResource(this.#settings.snapshotter, chainId);
    await this.#connection.leases.addResource({ id: leaseId, resource });
    return this.has(chainId);
  }

  async #unpackInTurn(
    layer: PlacedLayer,
    context: IngestContext,
    limit: UseLimit,
    report: ProgressListener,
  ): Promise<void> {
    const release = await this.#unpacks.take(context.signal);
    try {
      // Somebody may have unpacked it since it was looked for.
      if (!await this.#holdUnpacked(layer, context)) await this.#unpack(layer, context, limit, report);
    } finally {
      release();
    }
  }

  /** Returns when the content was unpacked and seen to be right, and its snapshot is there. */
  async #unpack(
    layer: PlacedLayer,
    context: IngestContext,
    limit: UseLimit,
    report: ProgressListener,
  ): Promise<void> {
    const { snapshotter } = this.#settings;
    const { snapshots, leases } = this.#connection;
    const { leaseId, signal } = context;
    const key = unpackPrefix + randomUUID();
    const { mounts } = await snapshots.prepare(
      { snapshotter, key, parent: layer.parent ?? "" },
      underLease(leaseId, { signal }),
    );
    try {
      const watch = watchUsage(this.#connection, snapshotter, key, limit, signal);
      await this.#apply(layer, mounts, watch, report);
      await snapshots.commit({ snapshotter, key, name: layer.chainId }, underLease(leaseId));
    } catch (error) {
      await unlessMissing(snapshots.remove({ snapshotter, key })).catch(() => {});
      if (!isAlreadyThere(error)) throw error;
      // The same content came in another blob before; it is as good.
      await leases.addResource({ id: leaseId, resource: snapshotResource(snapshotter, layer.chainId) });
    }
    await this.#blobs.label(layer.blob.digest, { [uncompressedLabel]: layer.diffId });
  }

  /**
   * containerd commits whatever was unpacked under any name; that the content is what the chain ID says is checked
   * here, or one lying image would poison every later one that names the same chain.
   */
  async #apply(
    { blob, diffId }: PlacedLayer,
    mounts: Mount[],
    watch: UsageWatch,
    report: ProgressListener,
  ): Promise<void> {
    const total = blob.sizeBytes;
    report({ state: "extracting", current: 0, total });
    try {
      const diff = { mediaType: blob.mediaType, digest: blob.digest, size: BigInt(total) };
      const { applied } = await this.#connection.diffs.apply({ diff, mounts }, { signal: watch.signal });
      await watch.check();
      if (applied?.digest !== diffId) {
        throw invalid(
          `layer ${blob.digest} unpacks to ${applied?.digest}, and the image's configuration says ${diffId}`,
        );
      }
    } catch (error) {
      throw unpackError(error, blob.digest, watch.signal);
    } finally {
      watch.stop();
    }
    report({ state: "extracting", current: total, total });
  }
}

/** What a full or broken disk makes containerd say: no layer's fault. */
const hostTrouble = /no space left on device|disk quota exceeded|input\/output error|read-only file system/;

/** containerd calls a layer that is no tar an unknown error: the layer is at fault, unless the disk is. */
function unpackError(error: unknown, digest: string, signal: AbortSignal): Error {
  const translated = engineError(error, `cannot unpack layer ${digest}`, signal);
  const isUnknown = translated instanceof ApiError && translated.kind === "internal";
  return isUnknown && !hostTrouble.test(translated.message) ? invalid(translated.message, error) : translated;
}
