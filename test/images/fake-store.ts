/**
 * An image store in memory that is as honest as a real one: it checks every digest and diff ID, and reuses bytes
 * for a source only if the same origin served them before.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { invalid } from "../../core/support/errors.ts";
import type {
  Descriptor,
  ImageConfig,
  ImageSource,
  ImageStore,
  IngestObserver,
  StoredImage,
} from "../../plugins/images/backend.ts";

type Blobs = Map<string, Uint8Array>;

/** What the host has: shared by the stores of several jobs. */
export class FakeHost {
  /** Bytes by digest, by the origin that served them. */
  readonly blobsOf = new Map<string, Blobs>();

  storeOfJob(): FakeStore {
    return new FakeStore(this);
  }
}

export class FakeStore implements ImageStore {
  /** Images held now. */
  readonly held = new Map<string, StoredImage>();
  readonly #host: FakeHost;

  constructor(host = new FakeHost()) {
    this.#host = host;
  }

  async ingest(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    const known = this.#known(source.origin);
    const staged: Blobs = new Map();
    verify(source.manifest, source.manifest.bytes);
    const configBytes = await fetch(source, source.config, known, signal);
    staged.set(source.config.digest, configBytes);
    const config = JSON.parse(new TextDecoder().decode(configBytes)) as ImageConfig;
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== source.layers.length) throw invalid("layers and diff IDs differ in number");
    for (const layer of source.layers) if (!known.has(layer.digest)) observe(layer, { state: "waiting" });
    let sizeBytes = 0;
    for (const [at, layer] of source.layers.entries()) {
      const bytes = await this.#layer(source, layer, known, observe, signal);
      const tar = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
      if (digestOf(tar) !== diffIds[at]) {
        throw invalid(`layer ${layer.digest} does not unpack to ${diffIds[at]}`);
      }
      sizeBytes += tar.length;
      staged.set(layer.digest, bytes);
    }
    signal.throwIfAborted();
    for (const [digest, bytes] of staged) known.set(digest, bytes);
    const image = stored(source, config, sizeBytes);
    this.held.set(image.id, image);
    return image;
  }

  async release(image: StoredImage): Promise<void> {
    this.held.delete(image.id);
  }

  /** An archive has no origin: nothing present is reused for it. */
  #known(origin: string | undefined): Blobs {
    if (origin === undefined) return new Map();
    const known = this.#host.blobsOf.get(origin) ?? new Map();
    this.#host.blobsOf.set(origin, known);
    return known;
  }

  async #layer(
    source: ImageSource,
    layer: Descriptor,
    known: Blobs,
    observe: IngestObserver,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    if (known.has(layer.digest)) observe(layer, { state: "exists" });
    else observe(layer, { state: "downloading", current: 0, total: layer.sizeBytes });
    const bytes = await fetch(source, layer, known, signal);
    if (!known.has(layer.digest)) {
      observe(layer, { state: "downloaded" });
      observe(layer, { state: "extracting", current: layer.sizeBytes, total: layer.sizeBytes });
      observe(layer, { state: "done" });
    }
    return bytes;
  }
}

const stored = (source: ImageSource, config: ImageConfig, sizeBytes: number): StoredImage => ({
  id: source.config.digest,
  manifestDigest: source.manifest.digest,
  manifestMediaType: source.manifest.mediaType,
  manifestSizeBytes: source.manifest.sizeBytes,
  config,
  layers: source.layers,
  sizeBytes,
});

async function fetch(
  source: ImageSource,
  blob: Descriptor,
  known: Blobs,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const present = known.get(blob.digest);
  if (present) return present;
  const parts: Uint8Array[] = [];
  for await (const chunk of source.read(blob, 0, signal)) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  verify(blob, bytes);
  return bytes;
}

function verify({ digest, sizeBytes }: Descriptor, bytes: Uint8Array): void {
  if (bytes.length !== sizeBytes) throw invalid(`blob ${digest} has ${bytes.length} bytes, not ${sizeBytes}`);
  if (digestOf(bytes) !== digest) throw invalid(`blob ${digest} has another digest: ${digestOf(bytes)}`);
}

export const digestOf = (bytes: Uint8Array | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
