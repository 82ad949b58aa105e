import { type Reply, stream } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { ApiError, invalid, notFound } from "../../core/support/errors.ts";
import { requestedPlatform } from "./archive/requested-platform.ts";
import { savedEntries, type SavedImage } from "./archive/saved-layout.ts";
import { tarOf } from "./archive/tar-writer.ts";
import { type ImageStore, ImageStoreToken, type Platform, type StoredImage } from "./backend.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { formatPlatform, suits } from "./platform.ts";
import { familiarName, parseReference, type Reference } from "./reference.ts";

/** An image and, when the name that it was asked by is a tag, that tag. */
interface Chosen {
  readonly image: StoredImage;
  readonly tag?: Reference;
}

/** `GET /images/{name}/get` and `GET /images/get?names=…`: what names mean is as with Docker. */
export class ImageSave {
  readonly #table: ImageTable;
  readonly #store: ImageStore;
  readonly #held: HeldImages;

  constructor(
    @inject(ImageTableToken) table: ImageTable,
    @inject(ImageStoreToken) store: ImageStore,
    @inject(HeldImagesToken) held: HeldImages,
  ) {
    this.#table = table;
    this.#store = store;
    this.#held = held;
  }

  /** One image, by its path. */
  one(request: ApiRequest): Promise<Reply> {
    return this.#save([request.params.name ?? ""], request);
  }

  /** Those that the query names. */
  several(request: ApiRequest): Promise<Reply> {
    const names = request.query.all("names");
    if (names.length === 0) throw invalid("names is empty: name the images to save");
    return this.#save(names, request);
  }

  async #save(names: readonly string[], request: ApiRequest): Promise<Reply> {
    const { signal } = request;
    const platform = requestedPlatform(request);
    const images = grouped(names.flatMap((name) => this.#chosenBy(name)), platform);
    await this.#checkEngine(images, signal);
    const entries = savedEntries(images, (blob) => this.#store.read(blob, 0, signal));
    return stream("application/x-tar", this.#held.keeping(tarOf(entries)));
  }

  #chosenBy(name: string): Chosen[] {
    if (/^(?:sha256:[0-9a-f]{64}|[0-9a-f]{64})$/.test(name)) return [{ image: this.#table.find(name) }];
    const reference = parseReference(name);
    if (reference.digest !== undefined) {
      const { domain, path, digest } = reference;
      return [{ image: this.#named({ domain, path, digest }) }];
    }
    if (reference.tag !== undefined) return [{ image: this.#named(reference), tag: reference }];
    const tagged = this.#allTagsOf(reference);
    return tagged.length > 0 ? tagged : [{ image: this.#byShortId(name) }];
  }

  #named(reference: Reference): StoredImage {
    const id = this.#table.idNamed(reference);
    if (id === undefined) throw notFound("reference does not exist");
    return this.#table.find(id);
  }

  #allTagsOf(repository: Reference): Chosen[] {
    const start = `${familiarName(repository)}:`;
    return this.#table.list().flatMap(({ image, tags }) =>
      tags.filter((tag) => tag.startsWith(start) && !tag.slice(start.length).includes("/"))
        .map((tag) => ({ image, tag: { ...repository, tag: tag.slice(start.length) } }))
    );
  }

  #byShortId(name: string): StoredImage {
    try {
      return this.#table.find(name);
    } catch (error) {
      const isMissing = error instanceof ApiError && error.kind === "not-found";
      throw isMissing ? notFound(`No such image: ${name}`, error) : error;
    }
  }

  /** What keeps the store from giving anything becomes a status, not an archive that breaks off. */
  async #checkEngine([first]: readonly SavedImage[], signal: AbortSignal): Promise<void> {
    if (!first) return;
    for await (const _ of this.#store.read(first.image.manifest, 0, signal)) break;
  }
}

/** Each manifest once, with all tags that it was asked by, in the order of asking. */
function grouped(chosen: readonly Chosen[], platform: Platform | undefined): SavedImage[] {
  const byManifest = new Map<string, { image: StoredImage; tags: Map<string, Reference> }>();
  for (const { image, tag } of chosen) {
    if (platform && !suits(image.config, platform)) {
      throw notFound(`no suitable export target found for platform ${formatPlatform(platform)}`);
    }
    const known = byManifest.get(image.manifest.digest) ?? { image, tags: new Map() };
    byManifest.set(image.manifest.digest, known);
    if (tag) known.tags.set(`${familiarName(tag)}:${tag.tag}`, tag);
  }
  const withIndex = platform === undefined;
  return [...byManifest.values()].map(({ image, tags }) => ({ image, tags: [...tags.values()], withIndex }));
}
