/**
 * An image store in memory that is as honest as a real one: it checks every digest and diff ID, and reuses bytes
 * for a source only if the same origin served them before, or anybody to a pull without credentials.
 */
import type {
  Descriptor,
  ImageConfig,
  ImageSource,
  ImageStore,
  IngestObserver,
  LayerProgress,
  SourceManifest,
  StoredImage,
} from "../../plugins/images/backend.ts";
import { internal } from "../../core/support/errors.ts";
import { checkSize, checkSource, download, readConfig, unpackedSize } from "./fake-checks.ts";

const descriptorOf = ({ mediaType, digest, sizeBytes }: Descriptor): Descriptor => ({
  mediaType,
  digest,
  sizeBytes,
});

type Blobs = Map<string, Uint8Array>;

/** What the host has: shared by the stores of several jobs. */
export class FakeHost {
  readonly #blobsOf = new Map<string, Blobs>();
  readonly #public: Blobs = new Map();
  /** Downloads under way, by origin and digest: whoever comes second waits for the first. */
  readonly underWay = new Map<string, Promise<Uint8Array>>();

  storeOfJob(): FakeStore {
    return new FakeStore(this);
  }

  /** Bytes that an origin may have as they are. An archive has no origin: nothing present is reused for it. */
  known(origin: string | undefined, digest: string): Uint8Array | undefined {
    if (origin === undefined) return undefined;
    return this.#blobsOf.get(origin)?.get(digest) ?? this.#public.get(digest);
  }

  /** Writes down that these bytes came from there. */
  record({ origin, anonymous }: ImageSource, digest: string, bytes: Uint8Array): void {
    if (origin === undefined) return;
    const served = this.#blobsOf.get(origin) ?? new Map();
    this.#blobsOf.set(origin, served.set(digest, bytes));
    if (anonymous) this.#public.set(digest, bytes);
  }

  /** Bytes leave the host, whoever brought them. */
  forget(digest: string): void {
    for (const served of [...this.#blobsOf.values(), this.#public]) served.delete(digest);
  }
}

/** One ingest on its way. */
interface Ingest {
  readonly source: ImageSource;
  /** All bytes of the image, from wherever. */
  readonly staged: Blobs;
  /** The digests of those that came from this source now. */
  readonly came: Set<string>;
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
    const ingest = { source, staged: new Map(), came: new Set<string>(), signal, began: new Set<string>() };
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
      if (!this.#host.known(source.origin, layer.digest)) observe(layer, { state: "waiting" });
    }
    const layerSizesBytes: number[] = [];
    for (const [at, layer] of source.layers.entries()) {
      layerSizesBytes.push(await this.#layer(ingest, layer, config.rootfs.diff_ids[at] ?? "", observe));
    }
    for (const { config, layers } of source.attestations ?? []) {
      for (const blob of [config, ...layers]) await this.#bytes(ingest, blob);
    }
    signal.throwIfAborted();
    this.#keep(ingest);
    const image = describe(source, config, layerSizesBytes);
    this.held.set(image.id, image);
    this.heldManifests.add(image.manifest.digest);
    return image;
  }

  /** Only a whole image leaves anything behind. */
  #keep({ source, staged, came }: Ingest): void {
    for (const [digest, bytes] of staged) {
      if (came.has(digest)) this.#host.record(source, digest, bytes);
      this.#contents.set(digest, bytes);
    }
    const { manifest, index, attestations = [] } = source;
    for (const document of [manifest, ...(index ? [index] : []), ...attestations.map((a) => a.manifest)]) {
      this.#host.record(source, document.digest, document.bytes);
      this.#contents.set(document.digest, document.bytes);
    }
  }

  async release(image: StoredImage): Promise<void> {
    this.heldManifests.delete(image.manifest.digest);
    if (this.held.get(image.id)?.manifest.digest === image.manifest.digest) this.held.delete(image.id);
  }

  async knownManifest(origin: string, digest: string): Promise<Uint8Array | undefined> {
    return this.#host.known(origin, digest);
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
    if (this.#host.known(ingest.source.origin, layer.digest)) {
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
    const { source, staged, signal } = ingest;
    const present = staged.get(blob.digest) ?? this.#host.known(source.origin, blob.digest);
    if (present) {
      checkSize(blob, present);
      staged.set(blob.digest, present);
      return present;
    }
    const key = `${source.origin} ${blob.digest}`;
    const other = source.origin === undefined ? undefined : this.#host.underWay.get(key);
    // Whoever waits for another's download sees it begin, as on a real store.
    if (other) progress(0);
    const begin = () => {
      ingest.came.add(blob.digest);
      return this.#begin(ingest, key, download(source, blob, progress, signal));
    };
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

function describe(source: ImageSource, config: ImageConfig, layerSizesBytes: readonly number[]): StoredImage {
  const { origin, index, attestations = [] } = source;
  const plain = (each: SourceManifest) => ({
    manifest: descriptorOf(each.manifest),
    config: descriptorOf(each.config),
    layers: each.layers.map(descriptorOf),
  });
  return {
    id: source.config.digest,
    ...plain(source),
    config,
    configBlob: descriptorOf(source.config),
    layerSizesBytes,
    sizeBytes: layerSizesBytes.reduce((sum, size) => sum + size, 0),
    ...(origin !== undefined && { origin }),
    ...(index && { index: descriptorOf(index) }),
    ...(attestations.length > 0 && { attestations: attestations.map(plain) }),
  };
}
