import { empty, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { invalid, messageOf, notFound } from "../../core/support/errors.ts";
import type { StoredImage } from "./backend.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { parseReference, type Reference, refuseAmbiguous, withDefaultTag, withTag } from "./reference.ts";

/** `POST /images/{name}/tag`. */
export class ImageTag {
  readonly #table: ImageTable;
  readonly #held: HeldImages;

  constructor(@inject(ImageTableToken) table: ImageTable, @inject(HeldImagesToken) held: HeldImages) {
    this.#table = table;
    this.#held = held;
  }

  async tag({ params, query }: ApiRequest): Promise<Reply> {
    const repository = query.text("repo") ?? "";
    if (!repository) throw invalid("repo is empty: name the repository of the new tag");
    const target = targetOf(repository, query.text("tag") ?? "");
    const image = this.#find(params.name ?? "");
    await this.#table.tag(image, target);
    // The name may have meant another manifest, whose last it was.
    await this.#held.releaseUnused();
    return empty(201);
  }

  /** To Docker a name that cannot be one is the name of no image here. */
  #find(name: string): StoredImage {
    try {
      return this.#table.find(name);
    } catch (error) {
      throw notFound(messageOf(error), error);
    }
  }
}

function targetOf(repository: string, tag: string): Reference {
  const reference = parseReference(repository);
  if (reference.digest !== undefined) throw invalid("cannot import digest reference");
  const target = withTag(reference, tag);
  refuseAmbiguous(target);
  return withDefaultTag(target);
}
