import { empty, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { invalid } from "../../core/support/errors.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { parseWithTag, withDefaultTag } from "./reference.ts";

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
    const target = parseWithTag(repository, query.text("tag") ?? "");
    if (target.digest !== undefined) throw invalid("cannot import digest reference");
    const image = this.#table.find(params.name ?? "");
    await this.#table.tag(image, withDefaultTag(target));
    // The name may have meant another manifest, whose last it was.
    await this.#held.releaseUnused();
    return empty(201);
  }
}
