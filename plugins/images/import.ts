import { createHash } from "node:crypto";
import { lines, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject, type Token, token } from "../../core/kernel/scope.ts";
import { ApiError, invalid } from "../../core/support/errors.ts";
import { spooledBlobs } from "./archive/archived-image.ts";
import { download } from "./archive/download.ts";
import { type SpooledLayer, spoolLayer } from "./archive/layer-spool.ts";
import { configDescriptor, layerDescriptor, madeManifest } from "./archive/made-manifest.ts";
import { type Spools, type SpoolSpace, SpoolsToken } from "./archive/spools.ts";
import type { ImageConfig, ImageSource, Platform } from "./backend.ts";
import { applyChanges, type RunConfig } from "./changes.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { hostPlatform, parsePlatform } from "./platform.ts";
import { importLine, progressOf } from "./progress.ts";
import { parseWithTag, type Reference, refuseAmbiguous, withDefaultTag } from "./reference.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** Job-scoped; `POST /images/create` hands over what is no pull. */
export const ImportToken: Token<ImageImport> = token("images.import");

/** What one request imports. */
interface Wish {
  /** A URL, or `-` for the request's body. */
  readonly source: string;
  readonly name: Reference | undefined;
  readonly message: string;
  readonly config: RunConfig;
  readonly platform: Platform;
  readonly body: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** `POST /images/create` with `fromSrc`: makes an image of one layer from a tar of a root file system. */
export class ImageImport {
  readonly #spools: Spools;
  readonly #held: HeldImages;
  readonly #table: ImageTable;
  readonly #settings: Settings;

  constructor(
    @inject(SpoolsToken) spools: Spools,
    @inject(HeldImagesToken) held: HeldImages,
    @inject(ImageTableToken) table: ImageTable,
    @inject(SettingsToken) settings: Settings,
  ) {
    this.#spools = spools;
    this.#held = held;
    this.#table = table;
    this.#settings = settings;
  }

  /** Errors that the request itself makes come before the first byte of the body is read. */
  create({ query, body, signal }: ApiRequest): Reply {
    const source = query.text("fromSrc") ?? "";
    if (source !== "-" && !this.#settings.importFromUrls) {
      throw new ApiError(
        "forbidden",
        `fromSrc: importing from ${
          source.slice(0, 200)
        } is not allowed here (plugins.images.importFromUrls); ` +
          "download it and send it as the body, with fromSrc=-",
      );
    }
    const wish = {
      source,
      name: nameOf(query.text("repo") ?? "", query.text("tag") ?? ""),
      message: query.text("message") || `Imported from ${source}`,
      config: applyChanges({}, query.all("changes")),
      platform: platformOf(query.text("platform") ?? ""),
      body,
      signal,
    };
    return lines(this.#spools.lend((space) => this.#import(wish, space)));
  }

  async *#import(wish: Wish, space: SpoolSpace): AsyncGenerator<object> {
    const layer = wish.source === "-"
      ? await spoolLayer(wish.body, space, wish.signal)
      : yield* this.#download(wish, space);
    const image = await this.#held.bring(sourceOf(layer, wish), [], () => {}, wish.signal);
    if (wish.name) await this.#table.tag(image, wish.name);
    // The name may have meant another manifest, whose last it was.
    await this.#held.releaseUnused();
    yield { status: image.id };
  }

  async *#download({ source, signal }: Wish, space: SpoolSpace): AsyncGenerator<object, SpooledLayer> {
    const { url, sizeBytes, body } = await download(source, signal);
    yield { status: `Downloading from ${url}` };
    const whole = { mediaType: "", digest: "", sizeBytes: sizeBytes ?? 0 };
    return yield* progressOf(
      (observe) =>
        spoolLayer(
          reported(body, (current) =>
            observe(whole, { state: "downloading", current, total: whole.sizeBytes })),
          space,
          signal,
        ),
      importLine,
    );
  }
}

async function* reported(
  chunks: AsyncIterable<Uint8Array>,
  report: (received: number) => void,
): AsyncIterable<Uint8Array> {
  let received = 0;
  for await (const chunk of chunks) {
    report(received += chunk.length);
    yield chunk;
  }
}

/** A tag alone names nothing, as with Docker. */
function nameOf(repository: string, tag: string): Reference | undefined {
  if (!repository) return undefined;
  const reference = parseWithTag(repository, tag);
  if (reference.digest !== undefined) throw invalid("cannot import digest reference");
  refuseAmbiguous(reference);
  return withDefaultTag(reference);
}

function platformOf(text: string): Platform {
  const platform = parsePlatform(text) ?? hostPlatform();
  if (platform.os !== "linux") throw invalid("operating system is not supported");
  return platform;
}

function sourceOf(layer: SpooledLayer, wish: Wish): ImageSource {
  const bytes = new TextEncoder().encode(JSON.stringify(configOf(layer, wish)));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const layers = spooledBlobs(new Map([[layer.file.digest, layer.file]]));
  const config = configDescriptor({ digest, sizeBytes: bytes.length });
  return {
    ...madeManifest(config, [layerDescriptor(layer.file)]),
    file: layers.file,
    async *read(blob, offset, signal) {
      if (blob.digest === digest) yield bytes.subarray(offset);
      else yield* layers.read(blob, offset, signal);
    },
  };
}

function configOf({ diffId }: SpooledLayer, { platform, message, config }: Wish): ImageConfig {
  const created = new Date().toISOString();
  return {
    ...platform,
    created,
    comment: message,
    config,
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created, comment: message }],
  };
}
