import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { invalid } from "../../core/support/errors.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { checkPlatform, decodePlatform } from "./platform.ts";
import { type ImageRemover, ImageRemoverToken } from "./remover.ts";

/** `DELETE /images/{name}`. `noprune` changes nothing, there are no parent images to prune. */
export class ImageRemove {
  readonly #table: ImageTable;
  readonly #remover: ImageRemover;

  constructor(@inject(ImageTableToken) table: ImageTable, @inject(ImageRemoverToken) remover: ImageRemover) {
    this.#table = table;
    this.#remover = remover;
  }

  async remove({ params, query, version }: ApiRequest): Promise<Reply> {
    const name = params.name ?? "";
    const platforms = version.atLeast("1.50") ? query.all("platforms").map(decodePlatform) : [];
    if (platforms.length > 1) throw invalid("multiple platforms are not supported");
    checkPlatform(this.#table.find(name).config, name, platforms[0]);
    return json(await this.#remover.remove(name, query.flag("force")));
  }
}
