import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { apiErrorOf, conflict } from "../../core/support/errors.ts";
import { pruneFilter } from "./filters.ts";
import { type ImageTable, ImageTableToken, type NamedImage } from "./image-table.ts";
import { layersOf } from "./layers.ts";
import { type ImageRemover, ImageRemoverToken, type Removed } from "./remover.ts";

/**
 * `POST /images/prune`: removes the images without a tag, or with `dangling=false` every image, that no container
 * was made from. Whoever is in use stays, quietly.
 */
export class ImagePrune {
  readonly #table: ImageTable;
  readonly #remover: ImageRemover;
  #running = false;

  constructor(@inject(ImageTableToken) table: ImageTable, @inject(ImageRemoverToken) remover: ImageRemover) {
    this.#table = table;
    this.#remover = remover;
  }

  async prune({ query, signal }: ApiRequest): Promise<Reply> {
    const chosen = pruneFilter(query);
    if (this.#running) throw conflict("a prune operation is already running");
    this.#running = true;
    try {
      const images = this.#table.list();
      const removed: Removed[] = [];
      for (const image of images.filter(chosen)) {
        // Nobody is left to be told.
        if (signal.aborted) break;
        for (const name of this.#namesOf(image)) {
          removed.push(...await this.#removeUnused(name, image.image.id));
        }
      }
      const report = removed.length > 0 ? removed : null;
      return json({ ImagesDeleted: report, SpaceReclaimed: reclaimedBytes(images, removed) });
    } finally {
      this.#running = false;
    }
  }

  /** An image with names goes by them, one after the other; one without goes by its ID. */
  #namesOf({ image }: NamedImage): readonly string[] {
    const names = this.#table.namesOf(image.id);
    return names.length > 0 ? names : [image.id];
  }

  /** Nothing when somebody needs it, or somebody else removed or moved the name meanwhile. */
  async #removeUnused(name: string, imageId: string): Promise<Removed[]> {
    try {
      if (this.#table.find(name).id !== imageId) return [];
      return await this.#remover.remove(name, false);
    } catch (error) {
      if (["conflict", "not-found"].includes(apiErrorOf(error)?.kind ?? "")) return [];
      throw error;
    }
  }
}

/** What the layers that are gone took on disk. */
function reclaimedBytes(images: readonly NamedImage[], removed: readonly Removed[]): number {
  const sizes = new Map(
    images.flatMap(({ image }) => layersOf(image)).map(({ chainId, sizeBytes }) => [chainId, sizeBytes]),
  );
  return removed.reduce((sum, each) => sum + ("Deleted" in each ? sizes.get(each.Deleted) ?? 0 : 0), 0);
}
