import { inject, type Token, token } from "../../core/kernel/scope.ts";
import { type ApiError, conflict } from "../../core/support/errors.ts";
import type { StoredImage } from "./backend.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken, type NamedImage } from "./image-table.ts";
import { layersOf } from "./layers.ts";
import { shortDigest } from "./progress.ts";

/** A name or an object that is gone, as the Engine API tells it. */
export type Removed = { readonly Untagged: string } | { readonly Deleted: string };

/** Job-scoped; the objects of this area take it from each other. */
export const ImageRemoverToken: Token<ImageRemover> = token("images.remover");

/**
 * Takes names away, and the image when it was the last one. Rules, order and words are Docker's: a running container
 * keeps an image whatever is forced, a stopped one and further names until it is forced.
 */
export class ImageRemover {
  readonly #table: ImageTable;
  readonly #held: HeldImages;

  constructor(@inject(ImageTableToken) table: ImageTable, @inject(HeldImagesToken) held: HeldImages) {
    this.#table = table;
    this.#held = held;
  }

  /** Removes what a name, an ID or the start of one means. Errors: `not-found`, `conflict`. */
  async remove(name: string, force: boolean): Promise<Removed[]> {
    const found = this.#table.named(name);
    return isId(name, found.image) ? await this.#byId(found, force) : await this.#byName(name, found, force);
  }

  async #byName(name: string, found: NamedImage, force: boolean): Promise<Removed[]> {
    const user = this.#table.usersOf(found.image.id)[0];
    const reference = this.#table.spelling(name);
    if (user && !force && isOneName(found)) {
      throw conflict(
        `conflict: unable to remove repository reference "${name}" (must force) - container ` +
          `${user.id.slice(0, 12)} is using its referenced image ${shortDigest(found.image.id)}`,
      );
    }
    const gone = [reference, ...orphanedDigests(found, reference)];
    const left = [...found.tags, ...found.digests].filter((each) => !gone.includes(each));
    const untagged = gone.map((each) => ({ Untagged: each }));
    // The last name went: the image goes too unless somebody uses it, and that is no reason to fail.
    if (left.length > 0 || this.#refusal(found.image, force)) {
      await this.#table.unname(gone);
      await this.#held.releaseUnused();
      return untagged;
    }
    return [...untagged, ...await this.#delete(found.image)];
  }

  async #byId(found: NamedImage, force: boolean): Promise<Removed[]> {
    const severalNames = found.tags.length + found.digests.length > 0 && !isOneName(found);
    const refused = this.#runningRefusal(found.image) ??
      (force ? undefined : severalNames ? referencedOften(found.image) : this.#refusal(found.image, force));
    if (refused) throw refused;
    const untagged = this.#table.namesOf(found.image.id).map((each) => ({ Untagged: each }));
    return [...untagged, ...await this.#delete(found.image)];
  }

  async #delete(image: StoredImage): Promise<Removed[]> {
    const layers = this.#ownLayers(image);
    await this.#held.drop(image);
    return [image.id, ...layers].map((id) => ({ Deleted: id }));
  }

  #refusal(image: StoredImage, force: boolean): ApiError | undefined {
    const running = this.#runningRefusal(image);
    if (running || force) return running;
    const user = this.#table.usersOf(image.id)[0];
    return user &&
      refused(image, "must be forced", `image is being used by stopped container ${user.id.slice(0, 12)}`);
  }

  #runningRefusal(image: StoredImage): ApiError | undefined {
    const user = this.#table.usersOf(image.id).find(({ running }) => running);
    return user &&
      refused(image, "cannot be forced", `image is being used by running container ${user.id.slice(0, 12)}`);
  }

  /** Chain IDs that no other image of the job has and no container stands on, top first. */
  #ownLayers(image: StoredImage): string[] {
    if (this.#table.usersOf(image.id).length > 0) return [];
    const others = this.#table.list().filter((each) => each.image.id !== image.id);
    const kept = new Set(others.flatMap((each) => chainIds(each.image)));
    return chainIds(image).filter((id) => !kept.has(id)).reverse();
  }
}

const refused = (image: StoredImage, how: string, why: string) =>
  conflict(`conflict: unable to delete ${shortDigest(image.id)} (${how}) - ${why}`);

const referencedOften = (image: StoredImage) =>
  refused(image, "must be forced", "image is referenced in multiple repositories");

function isId(name: string, image: StoredImage): boolean {
  return image.id.startsWith(name) || image.id.startsWith(`sha256:${name}`);
}

const repositoryOf = (reference: string) =>
  reference.includes("@")
    ? reference.slice(0, reference.indexOf("@"))
    : reference.slice(0, reference.lastIndexOf(":"));

/** At most one tag, and digests of its repository alone: one name to a user. */
function isOneName({ tags, digests }: NamedImage): boolean {
  if (tags.length > 1 || tags.length + digests.length === 0) return false;
  return new Set([...tags, ...digests].map(repositoryOf)).size === 1;
}

/** Digests of a repository go with its last tag. */
function orphanedDigests({ tags, digests }: NamedImage, removed: string): string[] {
  if (removed.includes("@")) return [];
  const repository = repositoryOf(removed);
  const tagged = tags.some((tag) => tag !== removed && repositoryOf(tag) === repository);
  return tagged ? [] : digests.filter((digest) => repositoryOf(digest) === repository);
}

const chainIds = (image: StoredImage) => layersOf(image).map(({ chainId }) => chainId);
