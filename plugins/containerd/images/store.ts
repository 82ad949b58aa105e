import type { Job } from "../../../core/kernel/job.ts";
import type {
  Descriptor,
  ImageConfig,
  ImageSource,
  ImageStore,
  IngestObserver,
  StoredImage,
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
import { completeLabel, completeRecord, manifestReferences, snapshotReference } from "./labels.ts";
import type { SharedImages } from "./shared-images.ts";
import type { PlacedLayer } from "./unpack.ts";

/**
 * One job's images in containerd. The job's lease lists the manifests it holds; labels lead collection from there to
 * configurations, layers and snapshots, which all jobs share.
 */
export class ContainerdImageStore implements ImageStore {
  readonly #connection: ContainerdConnection;
  readonly #shared: SharedImages;
  readonly #settings: Settings;
  readonly #lease: Pick<JobLease, "id" | "ensure">;
  readonly #job: Pick<Job, "id" | "signal">;
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
    const resource = contentResource(image.manifest.digest);
    try {
      await unlessMissing(this.#connection.leases.deleteResource({ id: this.#lease.id, resource }));
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
    const { origin, manifest, layers } = source;
    const { blobs, unpacker } = this.#shared;
    if (origin === undefined || !(await blobs.info(manifest.digest))?.labels[completeLabel(origin)]) {
      return undefined;
    }
    await this.#hold(manifest.digest, jobLease);
    if (!(await blobs.info(manifest.digest))?.labels[completeLabel(origin)]) return undefined;
    const config = await this.#readConfig(source);
    const top = rootChainId(config);
    if (top !== undefined && !await unpacker.has(top)) return undefined;
    layers.forEach((layer) => observe(layer, { state: "exists" }));
    return describe(source, config, await unpacker.sizesOf(chainIds(config.rootfs.diff_ids)));
  }

  async #bring(context: IngestContext, jobLease: string, observe: IngestObserver): Promise<StoredImage> {
    const { source } = context;
    const { blobs } = this.#shared;
    await blobs.ensure(source.config, context, () => {});
    const config = await this.#readConfig(source);
    const layers = place(source.layers, config);
    await fetchAndUnpack(layers, context, this.#shared, this.#settings.concurrentLayers, observe);
    await blobs.label(
      source.config.digest,
      snapshotReference(this.#settings.snapshotter, rootChainId(config)),
    );
    const layerSizesBytes = await this.#shared.unpacker.sizesOf(layers.map((layer) => layer.chainId));
    // Last: a manifest that is there refers to what is there.
    await this.#putManifest(context);
    context.signal.throwIfAborted();
    // Nobody can have an archive's image without bringing it, so that keeping it would help nobody.
    if (source.origin !== undefined) await this.#shared.cache(source.manifest.digest);
    await this.#hold(source.manifest.digest, jobLease);
    return describe(source, config, layerSizesBytes);
  }

  async #hold(manifestDigest: string, jobLease: string): Promise<void> {
    await this.#connection.leases.addResource({ id: jobLease, resource: contentResource(manifestDigest) });
  }

  async #putManifest(context: IngestContext): Promise<void> {
    const { manifest, config, layers, origin } = context.source;
    const references = manifestReferences(config.digest, layers.map((layer) => layer.digest));
    const record = completeRecord(origin, await this.#shared.blobs.info(manifest.digest));
    await this.#shared.blobs.put(manifest, manifest.bytes, { ...references, ...record }, context);
  }

  async #readConfig({ config, layers }: ImageSource): Promise<ImageConfig> {
    return parseImageConfig(await this.#shared.blobs.read(config), config.digest, layers.length);
  }
}

function describe(
  { origin, manifest, config, layers }: ImageSource,
  parsed: ImageConfig,
  layerSizesBytes: readonly number[],
): StoredImage {
  return {
    id: config.digest,
    manifest: plain(manifest),
    config: parsed,
    configBlob: plain(config),
    layers: layers.map(plain),
    layerSizesBytes,
    sizeBytes: layerSizesBytes.reduce((sum, size) => sum + size, 0),
    ...(origin !== undefined && { origin }),
  };
}

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
