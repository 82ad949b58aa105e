/**
 * An image store in memory that is as honest as a real one: it checks every digest and diff ID, and reuses bytes
 * for a source only if the same origin served them before.
 */
import type {
  Descriptor,
  ImageSource,
  ImageStore,
  IngestObserver,
  LayerProgress,
  StoredImage,
} from "../../plugins/images/backend.ts";
import { internal } from "../../core/support/errors.ts";
import { checkSource, download, readConfig, unpackedSize } from "./fake-checks.ts";

const descriptorOf = ({ mediaType, digest, sizeBytes }: Descriptor): Descriptor => ({
  mediaType,
  digest,
  sizeBytes,
});

type Blobs = Map<string, Uint8Array>;

/** What the host has: shared by the stores of several jobs. */
export class FakeHost {
  readonly #blobsOf = new Map<string, Blobs>();
  /** Downloads under way, by origin and digest: whoever comes second waits for the first. */
  readonly underWay = new Map<string, Promise<Uint8Array>>();

  storeOfJob(): FakeStore {
    return new FakeStore(this);
  }

  /** The bytes an origin has served. An archive has no origin: nothing present is reused for it. */
  servedBy(origin: string | undefined): Blobs {
    if (origin === undefined) return new Map();
    const known = this.#blobsOf.get(origin) ?? new Map();
    this.#blobsOf.set(origin, known);
    return known;
  }
}

/** One ingest on its way. */
interface Ingest {
  readonly source: ImageSource;
  readonly known: Blobs;
  readonly staged: Blobs;
  readonly signal: AbortSignal;
  /** Keys of the downloads it began. */
  readonly began: Set<string>;
}

export class FakeStore implements ImageStore {
  /** Images held now. */
  readonly held = new Map<string, StoredImage>();
  /** Digests of the manifests held now. */
  readonly heldManifests = new Set<string>();
  readonly #host: FakeHost;
  /** By digest, what images that are or were held consist of. */
  readonly #contents = new Map<string, Uint8Array>();

  constructor(host = new FakeHost()) {
    this.#host = host;
  }

  async ingest(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    checkSource(source);
    const known = this.#host.servedBy(source.origin);
    const ingest = { source, known, staged: new Map(), signal, began: new Set<string>() };
    try {
      return await this.#ingest(ingest, observe);
    } finally {
      for (const key of ingest.began) this.#host.underWay.delete(key);
    }
  }

  async #ingest(ingest: Ingest, observe: IngestObserver): Promise<StoredImage> {
    const { source, signal } = ingest;
    const config = readConfig(source, await this.#bytes(ingest, source.config));
    for (const layer of new Set(source.layers)) {
      if (!ingest.known.has(layer.digest)) observe(layer, { state: "waiting" });
    }
    const layerSizesBytes: number[] = [];
    for (const [at, layer] of source.layers.entries()) {
      layerSizesBytes.push(await this.#layer(ingest, layer, config.rootfs.diff_ids[at] ?? "", observe));
    }
    signal.throwIfAborted();
    // Only a whole image leaves anything behind.
    for (const [digest, bytes] of ingest.staged) ingest.known.set(digest, bytes);
    const image = {
      id: source.config.digest,
      manifest: descriptorOf(source.manifest),
      config,
      configBlob: source.config,
      layers: source.layers,
      layerSizesBytes,
      sizeBytes: layerSizesBytes.reduce((sum, size) => sum + size, 0),
      ...(source.origin !== undefined && { origin: source.origin }),
    };
    this.held.set(image.id, image);
    this.heldManifests.add(image.manifest.digest);
    for (const [digest, bytes] of ingest.staged) this.#contents.set(digest, bytes);
    for (const [digest, bytes] of ingest.known) this.#contents.set(digest, bytes);
    this.#contents.set(source.manifest.digest, source.manifest.bytes);
    return image;
  }

  async release(image: StoredImage): Promise<void> {
    this.heldManifests.delete(image.manifest.digest);
    if (this.held.get(image.id)?.manifest.digest === image.manifest.digest) this.held.delete(image.id);
  }

  async *read({ digest }: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    signal.throwIfAborted();
    const bytes = this.#contents.get(digest);
    if (!bytes) throw internal(`cannot read ${digest}: not found`);
    yield bytes.subarray(offset);
  }

  async #layer(
    ingest: Ingest,
    layer: Descriptor,
    diffId: string,
    observe: IngestObserver,
  ): Promise<number> {
    if (ingest.known.has(layer.digest)) {
      observe(layer, { state: "exists" });
      return unpackedSize(layer, await this.#bytes(ingest, layer), diffId);
    }
    const total = layer.sizeBytes;
    const tell = (progress: LayerProgress) => observe(layer, progress);
    const bytes = await this.#bytes(
      ingest,
      layer,
      (current) => tell({ state: "downloading", current, total }),
    );
    tell({ state: "downloaded" });
    tell({ state: "extracting", current: total, total });
    const size = unpackedSize(layer, bytes, diffId);
    tell({ state: "done" });
    return size;
  }

  async #bytes(ingest: Ingest, blob: Descriptor, progress = (_bytes: number) => {}): Promise<Uint8Array> {
    const { source, known, staged, signal } = ingest;
    const present = known.get(blob.digest) ?? staged.get(blob.digest);
    if (present) return present;
    const key = `${source.origin} ${blob.digest}`;
    const other = source.origin === undefined ? undefined : this.#host.underWay.get(key);
    // Whoever waits for another's download sees it begin, as on a real store.
    if (other) progress(0);
    const begin = () => this.#begin(ingest, key, download(source, blob, progress, signal));
    const bytes = other ? await other.catch(begin) : await begin();
    staged.set(blob.digest, bytes);
    return bytes;
  }

  /** Others may wait for what was begun until the ingest has ended. */
  #begin({ began }: Ingest, key: string, work: Promise<Uint8Array>): Promise<Uint8Array> {
    began.add(key);
    this.#host.underWay.set(key, work);
    return work;
  }
}
