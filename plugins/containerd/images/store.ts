import type { Job } from "../../../core/kernel/job.ts";
import type {
  Descriptor,
  ImageConfig,
  ImageSource,
  ImageStore,
  IngestObserver,
  SourceManifest,
  StoredImage,
  StoredManifest,
} from "../../images/backend.ts";
import type { ContainerdConnection } from "../connection.ts";
import { engineError, unlessMissing } from "../errors.ts";
import { contentResource, type JobLease } from "../lease.ts";
import type { Settings } from "../settings.ts";
import type { IngestContext } from "./blobs.ts";
import { chainIds, rootChainId } from "./chain-id.ts";
import { checkSource } from "./check-source.ts";
import { parseImageConfig } from "./image-config.ts";
import { fetchAndUnpack } from "./layers.ts";
import { snapshotReference } from "./labels.ts";
import { Holds } from "./holds.ts";
import { rootsOf } from "./manifests.ts";
import type { SharedImages } from "./shared-images.ts";
import type { PlacedLayer } from "./unpack.ts";
import type { DiskUse } from "./usage-watch.ts";

/**
 * One job's images in containerd. The job's lease lists the manifests, indexes and attestations it holds; labels lead
 * collection from there to configurations, layers and snapshots, which all jobs share.
 */
export class ContainerdImageStore implements ImageStore {
  readonly #connection: ContainerdConnection;
  readonly #shared: SharedImages;
  readonly #settings: Settings;
  readonly #lease: Pick<JobLease, "id" | "ensure">;
  readonly #job: Pick<Job, "id" | "signal">;
  readonly #holds = new Holds();
  readonly #running = new Set<Promise<unknown>>();

  constructor(
    connection: ContainerdConnection,
    shared: SharedImages,
    settings: Settings,
    lease: Pick<JobLease, "id" | "ensure">,
    job: Pick<Job, "id" | "signal">,
  ) {
    this.#connection = connection;
    this.#shared = shared;
    this.#settings = settings;
    this.#lease = lease;
    this.#job = job;
  }

  async ingest(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    const either = AbortSignal.any([signal, this.#job.signal]);
    const ingest = this.#ingest(source, observe, either);
    this.#running.add(ingest);
    try {
      return await ingest;
    } catch (error) {
      throw engineError(error, "cannot store the image", either);
    } finally {
      this.#running.delete(ingest);
    }
  }

  async release(image: StoredImage): Promise<void> {
    const digests = this.#holds.leaving(image.manifest.digest, rootsOf(image));
    const { leases } = this.#connection;
    try {
      for (const digest of digests) {
        const resource = contentResource(digest);
        await unlessMissing(leases.deleteResource({ id: this.#lease.id, resource }));
      }
      this.#holds.remove(image.manifest.digest);
    } catch (error) {
      throw engineError(error, `cannot release image ${image.id}`);
    }
  }

  async *read(blob: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const either = AbortSignal.any([signal, this.#job.signal]);
    try {
      yield* this.#shared.blobs.stream(blob, offset, either);
    } catch (error) {
      throw engineError(error, `cannot read ${blob.digest}`, either);
    }
  }

  async knownManifest(origin: string, digest: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#shared.manifests.known(origin, digest);
    } catch (error) {
      throw engineError(error, `cannot read ${digest}`);
    }
  }

  /** Waits for ingests that the job's end broke off: they clean up after themselves. The lease goes after this. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #ingest(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    signal.throwIfAborted();
    checkSource(source, this.#settings);
    const jobLease = await this.#lease.ensure();
    return await this.#present(source, jobLease, observe) ??
      await this.#shared.underIngestLease(
        this.#job.id,
        (leaseId) => this.#bring({ source, leaseId, signal }, jobLease, observe),
      );
  }

  /**
   * The quick way for an image that another job brought from the same origin as a whole: writes one record. The
   * manifest is looked for again once it is held: if it is there then, so is all that it refers to.
   */
  async #present(
    source: ImageSource,
    jobLease: string,
    observe: IngestObserver,
  ): Promise<StoredImage | undefined> {
    const { manifests, unpacker } = this.#shared;
    if (!await manifests.areComplete(source)) return undefined;
    await this.#hold(source, jobLease);
    if (!await manifests.areComplete(source)) return undefined;
    const config = await this.#readConfig(source);
    const top = rootChainId(config);
    if (top !== undefined && !await unpacker.has(top)) return undefined;
    source.layers.forEach((layer) => observe(layer, { state: "exists" }));
    this.#shared.noteUse(source.manifest.digest);
    return describe(source, config, await unpacker.usesOf(chainIds(config.rootfs.diff_ids)));
  }

  async #bring(context: IngestContext, jobLease: string, observe: IngestObserver): Promise<StoredImage> {
    const { source } = context;
    const { blobs, manifests } = this.#shared;
    await blobs.ensure(source.config, context, () => {});
    const config = await this.#readConfig(source);
    await manifests.putIndex(context);
    const layers = place(source.layers, config);
    await fetchAndUnpack(layers, context, this.#shared, this.#settings, observe);
    await blobs.label(
      source.config.digest,
      snapshotReference(this.#settings.snapshotter, rootChainId(config)),
    );
    const uses = await this.#shared.unpacker.usesOf(layers.map((layer) => layer.chainId));
    await manifests.putImage(context);
    context.signal.throwIfAborted();
    // Nobody can have an archive's image without bringing it, so that keeping it would help nobody.
    if (source.origin !== undefined) await this.#shared.cache(source.manifest.digest);
    await this.#hold(source, jobLease);
    return describe(source, config, uses);
  }

  async #hold(source: ImageSource, jobLease: string): Promise<void> {
    const digests = rootsOf(source);
    this.#holds.add(source.manifest.digest, digests);
    for (const digest of digests) {
      await this.#connection.leases.addResource({ id: jobLease, resource: contentResource(digest) });
    }
  }

  async #readConfig({ config, layers }: ImageSource): Promise<ImageConfig> {
    return parseImageConfig(await this.#shared.blobs.read(config), config.digest, layers.length);
  }
}

function describe(
  source: ImageSource,
  config: ImageConfig,
  uses: readonly DiskUse[],
): StoredImage {
  const layerSizesBytes = uses.map(({ sizeBytes }) => sizeBytes);
  const { origin, index, attestations = [] } = source;
  return {
    id: source.config.digest,
    manifest: plain(source.manifest),
    config,
    configBlob: plain(source.config),
    layers: source.layers.map(plain),
    layerSizesBytes,
    sizeBytes: layerSizesBytes.reduce((sum, size) => sum + size, 0),
    ...(origin !== undefined && { origin }),
    ...(index && { index: plain(index) }),
    ...(attestations.length > 0 && { attestations: attestations.map(plainManifest) }),
  };
}

const plainManifest = ({ manifest, config, layers }: SourceManifest): StoredManifest => ({
  manifest: plain(manifest),
  config: plain(config),
  layers: layers.map(plain),
});

/** A descriptor and nothing that its source may have hung on it. */
const plain = ({ mediaType, digest, sizeBytes }: Descriptor): Descriptor => ({
  mediaType,
  digest,
  sizeBytes,
});

/** Puts each layer in its place in the chain. */
function place(layers: readonly Descriptor[], config: ImageConfig): PlacedLayer[] {
  const diffIds = config.rootfs.diff_ids;
  const chain = chainIds(diffIds);
  return layers.map((blob, index) => ({
    blob,
    diffId: diffIds[index] as string,
    chainId: chain[index] as string,
    parent: chain[index - 1],
  }));
}
