import { inject, optional, type Token, token } from "../../core/kernel/scope.ts";
import {
  type ImageSource,
  type ImageStore,
  ImageStoreToken,
  type IngestObserver,
  type StoredImage,
} from "./backend.ts";
import { type CacheKeeper, CacheKeeperToken } from "./cache/keeper.ts";
import { checkConfigShape } from "./config-shape.ts";
import { ImageTable, ImageTableToken } from "./image-table.ts";
import type { Reference } from "./reference.ts";

/** Job-scoped; the objects of this area take it from each other. */
export const HeldImagesToken: Token<HeldImages> = token("images.held");

/**
 * Brings images into the job and lets go of them. The store holds an image once a job and manifest however often it
 * was ingested, so letting go waits until no ingest is under way that might be bringing the same one.
 */
export class HeldImages {
  readonly #store: ImageStore;
  readonly #table: ImageTable;
  readonly #keeper: CacheKeeper | undefined;
  /** Manifests of registries' images that the job pulled. */
  readonly #used = new Set<string>();
  /** What the store holds for the job, by digest of the manifest. */
  readonly #held = new Map<string, StoredImage>();
  /** Ingests and saves under way. */
  #busy = 0;
  #releasing: Promise<void> = Promise.resolve();

  constructor(
    @inject(ImageStoreToken) store: ImageStore,
    @inject(ImageTableToken) table: ImageTable,
    @inject(optional(CacheKeeperToken)) keeper?: CacheKeeper,
  ) {
    this.#store = store;
    this.#table = table;
    this.#keeper = keeper;
  }

  open(): void {
    for (const image of this.#table.allManifests()) this.#held.set(image.manifest.digest, image);
  }

  /** The job had its images until now: what a long job used is not old when it ends. */
  close(): void {
    if (this.#used.size > 0) this.#keeper?.usedUntilNow([...this.#used]);
  }

  /** Ingests an image, then names it. Errors: the store's, and `invalid` for a configuration that is none. */
  async bring(
    source: ImageSource,
    references: readonly Reference[],
    observe: IngestObserver,
    signal: AbortSignal,
  ): Promise<StoredImage> {
    this.#busy++;
    try {
      await this.#releasing;
      const image = await this.#ingest(source, observe, signal);
      this.#held.set(image.manifest.digest, image);
      checkConfigShape(image.config, image.id);
      await this.#table.add(image, references);
      return image;
    } finally {
      this.#busy--;
      await this.releaseUnused();
    }
  }

  /** Passes on what is made of held images; none that is removed meanwhile leaves the store before its end. */
  async *keeping<T>(work: AsyncIterable<T>): AsyncGenerator<T> {
    this.#busy++;
    try {
      yield* work;
    } finally {
      this.#busy--;
      await this.releaseUnused();
    }
  }

  /** Forgets an image and gives it back to the store. */
  async drop(image: StoredImage): Promise<void> {
    await this.#table.forget(image.id);
    await this.releaseUnused();
  }

  /** Gives back what the table let go of, now or when the last ingest or save ended. */
  async releaseUnused(): Promise<void> {
    if (this.#busy > 0) return;
    const unused = [...this.#held.values()].filter((image) => !this.#table.holds(image));
    for (const { manifest } of unused) this.#held.delete(manifest.digest);
    const before = this.#releasing;
    const work = before.then(async () => {
      for (const image of unused) await this.#store.release(image);
    });
    this.#releasing = work.catch(() => {});
    await work;
  }

  /** Ingests, and tells the cache's keeper whether a registry's image had to be downloaded. */
  async #ingest(source: ImageSource, observe: IngestObserver, signal: AbortSignal): Promise<StoredImage> {
    let isHit = true;
    const image = await this.#store.ingest(source, (layer, progress) => {
      if (progress.state === "downloading") isHit = false;
      observe(layer, progress);
    }, signal);
    if (source.origin === undefined) {
      this.#keeper?.lookSoon();
    } else {
      this.#used.add(source.manifest.digest);
      this.#keeper?.pulled(isHit);
    }
    return image;
  }
}
