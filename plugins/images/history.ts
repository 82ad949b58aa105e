import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { internal } from "../../core/support/errors.ts";
import { createdSeconds } from "./created.ts";
import { type ImageTable, ImageTableToken, type NamedImage } from "./image-table.ts";
import { checkPlatform, platformIn } from "./platform.ts";

/** One step of how an image came to be, as the Engine API tells it. */
interface HistoryEntry {
  readonly Comment: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Id: string;
  readonly Size: number;
  readonly Tags: readonly string[] | null;
}

/**
 * `GET /images/{name}/history`: the steps that the image's configuration tells, newest first. Only the newest has
 * an ID and tags, as with Docker for images that were not built in its own store.
 */
export class ImageHistory {
  readonly #table: ImageTable;

  constructor(@inject(ImageTableToken) table: ImageTable) {
    this.#table = table;
  }

  history({ params, query, version }: ApiRequest): Reply {
    const name = params.name ?? "";
    const platform = version.atLeast("1.48") ? platformIn(query, "platform") : undefined;
    const found = this.#table.named(name);
    checkPlatform(found.image.config, name, platform);
    return json(historyOf(found));
  }
}

function historyOf({ image, tags }: NamedImage): HistoryEntry[] {
  const steps = image.config.history ?? [];
  const sizes = stepSizes(steps, image.layerSizesBytes);
  const oldestFirst = steps.map((step, at): HistoryEntry => {
    const newest = at === steps.length - 1;
    return {
      Comment: step.comment ?? "",
      Created: createdSeconds(step.created),
      CreatedBy: step.created_by ?? "",
      Id: newest ? image.id : "<missing>",
      Size: sizes[at] ?? 0,
      Tags: newest && tags.length > 0 ? tags : null,
    };
  });
  return oldestFirst.reverse();
}

/** Each step made one layer, but for those that say they made none. */
function stepSizes(
  steps: readonly { readonly empty_layer?: boolean }[],
  layerSizesBytes: readonly number[],
): number[] {
  let layer = 0;
  return steps.map(({ empty_layer: none }) => {
    if (none) return 0;
    const size = layerSizesBytes[layer++];
    if (size === undefined) throw internal("too many non-empty layers in History section");
    return size;
  });
}
