import { statfs } from "node:fs/promises";
import { internal } from "../../../core/support/errors.ts";
import { Turns } from "../../../core/support/turns.ts";
import type {
  CachedImage,
  CacheDisk,
  ImageCache,
  ImageSource,
  IngestObserver,
  StoredImage,
} from "../../images/backend.ts";
import type { ContainerdConnection } from "../connection.ts";
import { engineError, unlessMissing, unlessPresent } from "../errors.ts";
import type { Info as Blob } from "../gen/content_pb.ts";
import { contentResource, jobLabel } from "../lease.ts";
import type { Settings } from "../settings.ts";
import { GraphReader, type StoreGraph } from "./cache-graph.ts";
import { rootChainId } from "./chain-id.ts";
import { namePrefix, usedLabel } from "./labels.ts";
import { rootsOf } from "./manifests.ts";
import { cacheLeaseId, ingestLabel, type SharedImages } from "./shared-images.ts";
import { ContainerdImageStore } from "./store.ts";

/** Keeps what operators preload, when no job holds it. */
export const pinLeaseId = "berth-preload";

/** Stands for a job where an ingest is nobody's; no job's id has a capital letter. */
const nobody = "PRELOAD";

/** Calls to containerd at a time. */
const callsAtOnce = 16;

/** Who keeps which blobs. */
interface Holders {
  /** By digest, ids of the jobs that hold it or are bringing it. */
  readonly jobs: ReadonlyMap<string, ReadonlySet<string>>;
  readonly cached: readonly string[];
  readonly pinned: ReadonlySet<string>;
}

/**
 * The cache in containerd: the manifests that its lease lists. What labels lead to from there stays with them;
 * taking a manifest off the list lets collection have what no other lease keeps.
 */
export class ContainerdImageCache implements ImageCache {
  readonly #connection: ContainerdConnection;
  readonly #shared: SharedImages;
  readonly #settings: Settings;
  readonly #graphs: GraphReader;
  readonly #closing = new AbortController();
  readonly #pinStore: ContainerdImageStore;
  #removals = 0;

  constructor(
    connection: ContainerdConnection,
    shared: SharedImages,
    settings: Settings,
  ) {
    this.#connection = connection;
    this.#shared = shared;
    this.#settings = settings;
    this.#graphs = new GraphReader(connection, settings.snapshotter);
    const lease = { id: pinLeaseId, ensure: () => this.#ensurePinLease() };
    const job = { id: nobody, signal: this.#closing.signal };
    this.#pinStore = new ContainerdImageStore(connection, shared, settings, lease, job);
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the daemon is stopping"));
    await this.#pinStore.close();
  }

  async list(): Promise<CachedImage[]> {
    try {
      // Who holds what is asked first: what is cached meanwhile is in the graph and not in the list.
      const holders = await this.#holders();
      const graph = await this.#graphs.read();
      return holders.cached.flatMap((digest) => {
        const blob = graph.blob(digest);
        return blob ? [describe(blob, graph, holders)] : [];
      });
    } catch (error) {
      throw engineError(error, "cannot list the image cache");
    }
  }

  async disk(): Promise<CacheDisk> {
    try {
      const { bsize, blocks, bfree, bavail } = await statfs(await this.#root());
      return { usedBytes: (blocks - bfree) * bsize, availableBytes: bavail * bsize };
    } catch (error) {
      throw engineError(error, "cannot measure the disk of the image cache");
    }
  }

  async remove(digests: readonly string[]): Promise<{ removed: readonly string[]; freedBytes: number }> {
    try {
      const { cached, pinned, jobs } = await this.#holders();
      const free = cached.filter((digest) => !pinned.has(digest) && !jobs.has(digest));
      const wanted = free.filter((digest) => digests.includes(digest));
      return wanted.length === 0 ? { removed: [], freedBytes: 0 } : await this.#remove(wanted);
    } catch (error) {
      throw engineError(error, "cannot remove images from the cache");
    }
  }

  async touch(digests: readonly string[]): Promise<void> {
    const used = { [usedLabel]: new Date().toISOString() };
    const turns = new Turns(callsAtOnce);
    const touching = digests.map((digest) =>
      turns.run(() => unlessMissing(this.#shared.blobs.label(digest, used)))
    );
    try {
      await Promise.all(touching);
    } catch (error) {
      await Promise.allSettled(touching);
      throw engineError(error, "cannot note the use of an image");
    }
  }

  pin(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    return this.#pinStore.ingest(source, observe, signal);
  }

  async keepPinned(images: readonly StoredImage[]): Promise<readonly StoredImage[]> {
    try {
      const pinned = await this.#listed(pinLeaseId);
      if (pinned.length === 0) return [];
      const wanted = new Set(images.flatMap(rootsOf));
      const { leases } = this.#connection;
      for (const digest of pinned.filter((each) => !wanted.has(each))) {
        await unlessMissing(leases.deleteResource({ id: pinLeaseId, resource: contentResource(digest) }));
      }
      const kept = await Promise.all(images.map((image) => this.#isWhole(image, pinned)));
      return images.filter((_, at) => kept[at]);
    } catch (error) {
      throw engineError(error, "cannot let go of preloaded images");
    }
  }

  /** Whether an image can be run as it is: unpacked for another snapshotter it cannot. */
  async #isWhole(image: StoredImage, listed: readonly string[]): Promise<boolean> {
    const roots = rootsOf(image);
    if (!roots.every((digest) => listed.includes(digest))) return false;
    const infos = await Promise.all(roots.map((digest) => this.#shared.blobs.info(digest)));
    const top = rootChainId(image.config);
    return infos.every(Boolean) && (top === undefined || await this.#shared.unpacker.has(top));
  }

  /**
   * A job that took hold of an image in the middle of this keeps it, and so does the cache: it is put back on the
   * list.
   */
  async #remove(digests: readonly string[]): Promise<{ removed: string[]; freedBytes: number }> {
    const { leases } = this.#connection;
    const before = await this.#graphs.read();
    const pieces = new Map(
      digests.flatMap((digest) => before.piecesOf(digest)).map((piece) => [piece.id, piece]),
    );
    await this.#collectAfter(async () => {
      for (const digest of digests) {
        await unlessMissing(leases.deleteResource({ id: cacheLeaseId, resource: contentResource(digest) }));
      }
    });
    const after = await this.#graphs.read();
    const removed: string[] = [];
    for (const digest of digests) {
      if (after.blob(digest)) await this.#shared.cache(digest);
      else removed.push(digest);
    }
    const all = [...pieces.values()];
    return { removed, freedBytes: before.presentBytes(all) - after.presentBytes(all) };
  }

  /**
   * Resolves when containerd has collected what no lease keeps after the work: it does so when a lease goes. The
   * lease is there before, so that the next daemon finds it if we die, sweeps it, and has that collected.
   */
  async #collectAfter(work: () => Promise<void>): Promise<void> {
    const { leases } = this.#connection;
    const id = `berth-collect-${process.pid}-${++this.#removals}`;
    await unlessPresent(leases.create({ id, labels: { [ingestLabel]: nobody } }));
    try {
      await work();
    } finally {
      await unlessMissing(leases.delete({ id, sync: true }));
    }
  }

  async #holders(): Promise<Holders> {
    const cached = await this.#listed(cacheLeaseId);
    const { leases } = await this.#connection.leases.list({});
    const jobs = new Map<string, Set<string>>();
    const turns = new Turns(callsAtOnce);
    await Promise.all(leases.map(({ id, labels }) => {
      const job = labels[jobLabel] ?? labels[ingestLabel];
      if (job === undefined) return;
      return turns.run(async () => {
        for (const digest of await this.#listed(id)) {
          jobs.set(digest, (jobs.get(digest) ?? new Set()).add(job));
        }
      });
    }));
    return { cached, jobs, pinned: new Set(await this.#listed(pinLeaseId)) };
  }

  /** The blobs that a lease lists by themselves. */
  async #listed(leaseId: string): Promise<string[]> {
    const answer = await unlessMissing(this.#connection.leases.listResources({ id: leaseId }));
    return (answer?.resources ?? []).filter(({ type }) => type === "content").map(({ id }) => id);
  }

  /** The directory that the snapshotter keeps layers in, where most of the space goes. */
  async #root(): Promise<string> {
    const { snapshotter } = this.#settings;
    const filters = [`type==io.containerd.snapshotter.v1,id==${snapshotter}`];
    const { plugins } = await this.#connection.introspection.plugins({ filters });
    const root = plugins[0]?.exports["root"];
    if (root === undefined) throw internal(`containerd does not say where ${snapshotter} keeps its files`);
    return root;
  }

  async #ensurePinLease(): Promise<string> {
    await unlessPresent(this.#connection.leases.create({ id: pinLeaseId }));
    return pinLeaseId;
  }
}

function describe(blob: Blob, graph: StoreGraph, { jobs, pinned }: Holders): CachedImage {
  const names = Object.entries(blob.labels).filter(([label]) => label.startsWith(namePrefix));
  return {
    digest: blob.digest,
    origins: names.map(([, origin]) => origin).sort(),
    pieces: graph.piecesOf(blob.digest),
    lastUsed: lastUse(blob),
    heldBy: [...jobs.get(blob.digest) ?? []].filter((job) => job !== nobody).sort(),
    pinned: pinned.has(blob.digest),
  };
}

/** Images of before uses were noted count as used when they came. */
function lastUse({ labels, createdAt }: Blob): Date {
  const noted = new Date(labels[usedLabel] ?? NaN);
  if (!Number.isNaN(noted.getTime())) return noted;
  return new Date(Number(createdAt?.seconds ?? 0n) * 1000 + (createdAt?.nanos ?? 0) / 1e6);
}
