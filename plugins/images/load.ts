import { lines, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { decompressed } from "./archive/decompress.ts";
import type { ArchivedImage, WantedPlatform } from "./archive/archived-image.ts";
import { imagesOf } from "./archive/images.ts";
import { requestedPlatform } from "./archive/requested-platform.ts";
import { spool } from "./archive/spool.ts";
import { type Spools, type SpoolSpace, SpoolsToken } from "./archive/spools.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { hostPlatform } from "./platform.ts";
import { loadLine, progressOf } from "./progress.ts";
import { familiar, parseReference, type Reference, withDefaultTag } from "./reference.ts";

/** What one request loads, and how. */
interface Wish {
  readonly wanted: WantedPlatform;
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** `POST /images/load`: archives by `docker save` of any age, and OCI layouts. */
export class ImageLoad {
  readonly #spools: Spools;
  readonly #held: HeldImages;
  readonly #table: ImageTable;

  constructor(
    @inject(SpoolsToken) spools: Spools,
    @inject(HeldImagesToken) held: HeldImages,
    @inject(ImageTableToken) table: ImageTable,
  ) {
    this.#spools = spools;
    this.#held = held;
    this.#table = table;
  }

  load(request: ApiRequest): Reply {
    const { query, body, signal } = request;
    const platform = requestedPlatform(request);
    const wanted = { platform: platform ?? hostPlatform(), asked: platform !== undefined };
    const wish = { wanted, quiet: query.flag("quiet"), signal };
    return lines(this.#spools.lend((space) => this.#load(body, space, wish)));
  }

  async *#load(body: AsyncIterable<Uint8Array>, space: SpoolSpace, wish: Wish): AsyncGenerator<object> {
    const archive = await spool(decompressed(body), space, wish.signal);
    const images = await imagesOf(archive, wish.wanted);
    // Every name is checked before the first image is brought in.
    const named = images.map((image) => ({ image, references: referencesOf(image) }));
    for (const { image, references } of named) yield* this.#bring(image, references, wish);
  }

  async *#bring(
    { source }: ArchivedImage,
    references: readonly Reference[],
    { quiet, signal }: Wish,
  ): AsyncGenerator<object> {
    const owners = references.map((reference) => ({ reference, before: this.#table.idNamed(reference) }));
    const { id } = yield* progressOf(
      (observe) => this.#held.bring(source, references, observe, signal),
      quiet ? () => undefined : loadLine,
    );
    for (const { reference, before } of owners) {
      if (before !== undefined && before !== id) yield { stream: renamed(reference, before) };
      yield { stream: `Loaded image: ${familiar(reference)}\n` };
    }
    if (references.length === 0) yield { stream: `Loaded image ID: ${id}\n` };
  }
}

/** Docker's words. The old image keeps its ID and what else it is called. */
const renamed = (reference: Reference, oldId: string) =>
  `The image ${familiar(reference)} already exists, renaming the old one with ID ${oldId} to empty string\n`;

/** Each name once, however the archive spells it. */
function referencesOf({ names }: ArchivedImage): Reference[] {
  const references = names.map((name) => {
    const { domain, path, tag } = withDefaultTag(parseReference(name));
    return { domain, path, tag: tag ?? "latest" };
  });
  return [...new Map(references.map((each) => [familiar(each), each])).values()];
}
