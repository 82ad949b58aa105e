import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import type { DownShaper } from "../../core/kernel/route.ts";
import { inject } from "../../core/kernel/scope.ts";
import { createdSeconds } from "./created.ts";
import { imageFilter } from "./filters.ts";
import { type ImageTable, ImageTableToken, type NamedImage } from "./image-table.ts";
import { layersOf } from "./layers.ts";

/** One line of the list as API 1.51 has it. */
interface ListedImage {
  Containers: number;
  Created: number;
  Id: string;
  Labels: Readonly<Record<string, string>> | null;
  ParentId: string;
  RepoDigests: readonly string[] | null;
  RepoTags: readonly string[];
  SharedSize: number;
  Size: number;
  VirtualSize?: number;
}

/**
 * `GET /images/json`. `all` changes nothing, there are no intermediate images; `digests` neither, digests are always
 * told; `manifests` answers none, as Docker does with its own image store.
 */
export class ImageList {
  readonly #table: ImageTable;

  constructor(@inject(ImageTableToken) table: ImageTable) {
    this.#table = table;
  }

  list({ query, version }: ApiRequest): Reply {
    const shown = imageFilter(query, version, this.#table);
    const all = this.#table.list();
    const images = all.map(shown).filter((each) => each !== undefined);
    const sharedSize = query.flag("shared-size") && version.atLeast("1.42") ? sharedSizes(all) : () => -1;
    const described = images.map((each) => this.#describe(each, sharedSize(each)));
    return json(described.sort((a, b) => b.Created - a.Created));
  }

  #describe({ image, tags, digests }: NamedImage, sharedSize: number): ListedImage {
    return {
      Containers: this.#table.usersOf(image.id).length,
      Created: createdSeconds(image.config.created),
      Id: image.id,
      Labels: image.config.config?.Labels ?? null,
      ParentId: "",
      RepoDigests: digests,
      RepoTags: tags,
      SharedSize: sharedSize,
      Size: image.sizeBytes,
    };
  }
}

/** What an image's layers take that other images of the job have too, in bytes. */
function sharedSizes(all: readonly NamedImage[]): (image: NamedImage) => number {
  const uses = new Map<string, number>();
  for (const { chainId } of all.flatMap(({ image }) => layersOf(image))) {
    uses.set(chainId, (uses.get(chainId) ?? 0) + 1);
  }
  const isShared = (chainId: string) => (uses.get(chainId) ?? 0) > 1;
  return ({ image }) =>
    layersOf(image).reduce((sum, layer) => sum + (isShared(layer.chainId) ? layer.sizeBytes : 0), 0);
}

const eachImage = (change: (image: ListedImage) => void) => (body: unknown) => {
  for (const image of body as ListedImage[]) change(image);
  return body;
};

/** What older clients expect of the list. Source: Engine API history, and Docker Engine 28.5 asked version by version. */
export const listShapes: readonly DownShaper[] = [
  { below: "1.51", shape: eachImage((image) => image.Containers = -1) },
  { below: "1.44", shape: eachImage((image) => image.VirtualSize = image.Size) },
  { below: "1.43", shape: eachImage(nameNothing) },
];

/** Images without names had placeholders. */
function nameNothing(image: ListedImage): void {
  if (image.RepoTags.length === 0 && !image.RepoDigests?.length) {
    image.RepoTags = ["<none>:<none>"];
    image.RepoDigests = ["<none>@<none>"];
  }
  if (!image.RepoDigests?.length) image.RepoDigests = null;
}
