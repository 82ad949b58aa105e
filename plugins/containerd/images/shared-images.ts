import { messageOf } from "../../../core/support/errors.ts";
import type { DaemonFacts } from "../../../core/kernel/plugin.ts";
import type { ContainerdConnection } from "../connection.ts";
import { engineError, unlessMissing, unlessPresent } from "../errors.ts";
import { Kind } from "../gen/snapshots_pb.ts";
import { contentResource, jobLabel } from "../lease.ts";
import type { Settings } from "../settings.ts";
import { privatePaths } from "../supervisor-config.ts";
import { Blobs } from "./blobs.ts";
import { Flights } from "./flights.ts";
import { usedLabel } from "./labels.ts";
import { Manifests } from "./manifests.ts";
import { Unpacker, unpackPrefix } from "./unpack.ts";
import { ingestPrefix } from "./write-blob.ts";

/** Keeps images that no job holds at the moment, so that the next job finds them. */
export const cacheLeaseId = "berth-cache";

/** Label of a lease that lives as long as one ingest: the job's id. */
export const ingestLabel = "berth/ingest";

/**
 * What all jobs' image stores share: work under way, the cache's lease, and the removal of what a killed daemon or
 * containerd left unfinished.
 */
export class SharedImages {
  readonly blobs: Blobs;
  readonly unpacker: Unpacker;
  readonly manifests: Manifests;
  readonly #connection: ContainerdConnection;
  readonly #settings: Settings;
  readonly #daemon: DaemonFacts;
  /** Leases of ingests that run now. */
  readonly #ingests = new Set<string>();
  #ingestCount = 0;
  #stopListening: () => void = () => {};

  constructor(connection: ContainerdConnection, settings: Settings, daemon: DaemonFacts) {
    const flights = new Flights();
    this.#connection = connection;
    this.#settings = settings;
    this.#daemon = daemon;
    this.blobs = new Blobs(
      connection,
      flights,
      settings.concurrentDownloads,
      blobsDirOf(settings, daemon),
    );
    this.manifests = new Manifests(this.blobs);
    this.unpacker = new Unpacker(connection, this.blobs, flights, settings);
  }

  async open(): Promise<void> {
    try {
      await this.#sweepLeases(true);
      await this.#sweepUnfinished();
      await unlessPresent(this.#connection.leases.create({ id: cacheLeaseId }));
    } catch (error) {
      throw engineError(error, "cannot clean up what an earlier daemon left in containerd");
    }
    // An ingest that containerd's end broke could not delete its lease then.
    this.#stopListening = this.#connection.onRestart(() => void this.#sweepAfterRestart());
  }

  close(): void {
    this.#stopListening();
  }

  /**
   * Runs one ingest under a lease of its own. What the ingest did not hand to another lease is collected after:
   * in the background when it went well, and before this rejects when it did not.
   */
  async underIngestLease<T>(jobId: string, work: (leaseId: string) => Promise<T>): Promise<T> {
    const id = `berth-ingest-${jobId}-${process.pid}-${++this.#ingestCount}`;
    const { leases } = this.#connection;
    this.#ingests.add(id);
    let failed = true;
    try {
      await unlessPresent(leases.create({ id, labels: { [ingestLabel]: jobId } }));
      const result = await work(id);
      failed = false;
      return result;
    } finally {
      this.#ingests.delete(id);
      await unlessMissing(leases.delete({ id, sync: failed })).catch((error) => {
        this.#daemon.log.warn({ lease: id, error: messageOf(error) }, "an ingest's lease stays for now");
      });
    }
  }

  /** Keeps an image that was ingested completely, whatever becomes of the job. */
  async cache(manifestDigest: string): Promise<void> {
    await this.#connection.leases.addResource({
      id: cacheLeaseId,
      resource: contentResource(manifestDigest),
    });
  }

  /** Writes down that an image was used just now. Nobody waits for it, and nobody misses it when it fails. */
  noteUse(manifestDigest: string): void {
    this.blobs.label(manifestDigest, { [usedLabel]: new Date().toISOString() }).catch(() => {});
  }

  /** Deletes the leases of ingests that nobody runs and, at start, of jobs that are no more. */
  async #sweepLeases(atStart: boolean): Promise<void> {
    const { leases } = await this.#connection.leases.list({});
    const live = new Set(this.#daemon.liveJobs());
    const stale = leases.filter(({ id, labels }) => {
      if (labels[ingestLabel] !== undefined) return !this.#ingests.has(id);
      return atStart && labels[jobLabel] !== undefined && !live.has(labels[jobLabel]);
    });
    for (const [index, { id }] of stale.entries()) {
      // One collection takes what they all held.
      const sync = index === stale.length - 1;
      await unlessMissing(this.#connection.leases.delete({ id, sync }));
    }
  }

  /** Removes half-unpacked snapshots and half-written blobs. Only at start: later, some are being worked on. */
  async #sweepUnfinished(): Promise<void> {
    const { content, snapshots } = this.#connection;
    const { snapshotter } = this.#settings;
    const unfinished: string[] = [];
    for await (const { info } of snapshots.list({ snapshotter })) {
      for (const { name, kind } of info) {
        if (kind === Kind.ACTIVE && name.startsWith(unpackPrefix)) unfinished.push(name);
      }
    }
    for (const key of unfinished) await unlessMissing(snapshots.remove({ snapshotter, key }));
    for (const { ref } of (await content.listStatuses({})).statuses) {
      if (ref.startsWith(ingestPrefix)) await unlessMissing(content.abort({ ref }));
    }
  }

  async #sweepAfterRestart(): Promise<void> {
    try {
      await this.#sweepLeases(false);
    } catch (error) {
      this.#daemon.log.warn({ error: messageOf(error) }, "leases of broken ingests stay for now");
    }
  }
}

/** A private containerd's files are the daemon's own; another one's may lie anywhere, and are not its business. */
function blobsDirOf({ address }: Settings, { dataDir }: DaemonFacts): string | undefined {
  if (address !== undefined) return undefined;
  return `${privatePaths(`${dataDir}/containerd`).root}/io.containerd.content.v1.content/blobs`;
}
