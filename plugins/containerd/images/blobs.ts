import { stat } from "node:fs/promises";
import { pause } from "../../../core/support/deadline.ts";
import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource } from "../../images/backend.ts";
import type { ContainerdConnection } from "../connection.ts";
import { unlessMissing } from "../errors.ts";
import type { Info } from "../gen/content_pb.ts";
import { blobPath, readFileFrom } from "./blob-file.ts";
import { contentResource } from "../lease.ts";
import type { Flights, ProgressListener } from "./flights.ts";
import { originLabel, publicLabel, servedRecord } from "./labels.ts";
import { Slots } from "./slots.ts";
import { type Batch, sourceChunks, verify } from "./source-chunks.ts";
import { writeBlob } from "./write-blob.ts";

/** Smallest distance between two progress reports of a download, in milliseconds. */
const reportEveryMs = 100;

/**
 * How long a layer waits after each batch while one further down is being read, in milliseconds. Layers are unpacked
 * from the lowest up, so what delays the lowest delays all. Too short to slow a download over a network.
 */
const giveWayMs = 20;

/** One ingest's surroundings: where it takes from, what keeps what it makes, and when it ends. */
export interface IngestContext {
  readonly source: ImageSource;
  readonly leaseId: string;
  readonly signal: AbortSignal;
  /** Called when a blob's last byte came from the source, before it is checked and on disk. */
  readonly received?: () => void;
  /** Whether a layer further down is being read: this one leaves it the way. */
  readonly isBehind?: () => boolean;
}

/**
 * Brings blobs into the content store, and decides who has a right to those that are there. A job has one when its
 * source brings the very bytes, or when its source's origin is on record as having served them, or when they are
 * public: a digest in a manifest proves nothing, as anybody can write down the digest of another job's private layer.
 */
export class Blobs {
  readonly #connection: ContainerdConnection;
  readonly #flights: Flights;
  readonly #downloads: Slots;
  readonly #blobsDir: string | undefined;

  /**
   * @param downloads how many blobs are read from sources at once, for all jobs together
   * @param blobsDir where containerd keeps blobs as files, when they may be read there
   */
  constructor(connection: ContainerdConnection, flights: Flights, downloads: number, blobsDir?: string) {
    this.#connection = connection;
    this.#flights = flights;
    this.#downloads = new Slots(downloads);
    this.#blobsDir = blobsDir;
  }

  /** What the store knows of a blob; undefined when it has none. */
  async info(digest: string): Promise<Info | undefined> {
    return (await unlessMissing(this.#connection.content.info({ digest })))?.info;
  }

  /**
   * The blob's record when the origin has a right to it as it is: it served these very bytes before, or somebody
   * served them to a pull without credentials. Undefined otherwise, and for archives.
   */
  async rightful(digest: string, origin: string | undefined): Promise<Info | undefined> {
    if (origin === undefined) return undefined;
    const info = await this.info(digest);
    const isRightful = info?.labels[originLabel(origin)] !== undefined ||
      info?.labels[publicLabel] !== undefined;
    return isRightful ? info : undefined;
  }

  /** Resolves when the blob is in the store, held by the lease, and the source has a right to it. */
  async ensure(blob: Descriptor, context: IngestContext, report: ProgressListener): Promise<void> {
    const { source: { origin }, signal } = context;
    if (origin === undefined) return this.#bring(blob, context, report);
    for (let waited = false;; waited = true) {
      signal.throwIfAborted();
      if (await this.#holdRightful(blob, context)) {
        // Whoever waited heard the whole download.
        return waited ? undefined : report({ state: "exists" });
      }
      const key = `${origin} ${blob.digest}`;
      const bring = async (reportToAll: ProgressListener) => {
        // Somebody may have brought it since it was looked for.
        if (await this.#holdRightful(blob, context)) reportToAll({ state: "exists" });
        else await this.#bring(blob, context, reportToAll);
      };
      if (await this.#flights.join(key, report, signal, bring)) return;
    }
  }

  /** A blob's bytes, for the small ones. */
  async read(blob: Pick<Descriptor, "digest">): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.stream(blob, 0)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** A blob's bytes from an offset, as they come. */
  async *stream(
    { digest }: Pick<Descriptor, "digest">,
    offset: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const path = this.#blobsDir && blobPath(this.#blobsDir, digest);
    const chunks = path && await readFileFrom(path, offset, signal);
    if (chunks) return yield* chunks;
    const answers = this.#connection.content.read({ digest, offset: BigInt(offset) }, { signal });
    for await (const { data } of answers) yield data;
  }

  /** Adds labels to a blob. */
  async label(digest: string, labels: Record<string, string>): Promise<void> {
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    if (paths.length === 0) return;
    await this.#connection.content.update({ info: { digest, labels }, updateMask: { paths } });
  }

  /** Writes bytes that are at hand already, with labels; a blob that is there gets the labels. */
  async put(
    blob: Descriptor,
    bytes: Uint8Array,
    labels: Record<string, string>,
    { leaseId, signal }: IngestContext,
  ): Promise<void> {
    const batches = (async function* () {
      yield [bytes];
    })();
    const written = !await this.#holdPresent(blob.digest, leaseId) &&
      await writeBlob(this.#connection, { descriptor: blob, labels, leaseId, batches }, signal);
    if (!written) await this.#holdAndLabel(blob.digest, leaseId, labels);
  }

  /** Reads the whole blob from the source, and has it checked; writes it when it is not there. */
  async #bring(blob: Descriptor, context: IngestContext, report: ProgressListener): Promise<void> {
    const { source, leaseId, signal } = context;
    const present = await this.#holdPresent(blob.digest, leaseId);
    const labels = servedRecord(source, present);
    const batches = () => this.#read(blob, context, report);
    const fresh = async () => {
      const file = await fileOf(source, blob);
      return { descriptor: blob, labels, leaseId, batches: batches(), file };
    };
    const written = !present && await writeBlob(this.#connection, await fresh(), signal);
    if (!written) {
      // There already, by another source: this one proves that it has the bytes.
      await verify(batches(), blob.digest);
      await this.#holdAndLabel(blob.digest, leaseId, labels);
    }
    report({ state: "downloaded" });
  }

  /** The blob's bytes from the source, when it is their turn. */
  async *#read(
    blob: Descriptor,
    { source, signal, received, isBehind = () => false }: IngestContext,
    report: ProgressListener,
  ): AsyncGenerator<Batch> {
    const release = await this.#downloads.take(signal);
    try {
      for await (const batch of sourceChunks(source, blob, signal, throttled(blob, report))) {
        yield batch;
        if (isBehind()) await pause(giveWayMs, signal);
      }
    } finally {
      release();
    }
    received?.();
  }

  async #holdAndLabel(digest: string, leaseId: string, labels: Record<string, string>): Promise<void> {
    await this.#connection.leases.addResource({ id: leaseId, resource: contentResource(digest) });
    await this.label(digest, labels);
  }

  async #holdRightful(blob: Descriptor, { source: { origin }, leaseId }: IngestContext): Promise<boolean> {
    const info = await this.rightful(blob.digest, origin);
    if (!info) return false;
    checkSize(blob, info);
    return await this.#holdPresent(blob.digest, leaseId) !== undefined;
  }

  /**
   * Puts a blob that is there under the lease, and looks again: collection may have come between. One that is
   * not there comes under the lease when it is written.
   */
  async #holdPresent(digest: string, leaseId: string): Promise<Info | undefined> {
    if (!await this.info(digest)) return undefined;
    await this.#connection.leases.addResource({ id: leaseId, resource: contentResource(digest) });
    return this.info(digest);
  }
}

/** The source's file of the blob, unless it is of another size: reading it tells what is wrong. */
async function fileOf(source: ImageSource, blob: Descriptor): Promise<string | undefined> {
  const path = source.file?.(blob);
  const isWhole = path !== undefined && (await stat(path)).size === blob.sizeBytes;
  return isWhole ? path : undefined;
}

function checkSize(blob: Descriptor, info: Info): void {
  if (Number(info.size) === blob.sizeBytes) return;
  throw invalid(`${blob.digest} has ${info.size} bytes, and its manifest says ${blob.sizeBytes}`);
}

function throttled(blob: Descriptor, report: ProgressListener): (received: number) => void {
  let reportedAt = 0;
  return (received) => {
    const now = Date.now();
    if (now - reportedAt < reportEveryMs && received < blob.sizeBytes) return;
    reportedAt = now;
    report({ state: "downloading", current: received, total: blob.sizeBytes });
    if (received === blob.sizeBytes) report({ state: "verifying" });
  };
}
