import { inject } from "../../core/kernel/scope.ts";
import { lines, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { invalid, notFound } from "../../core/support/errors.ts";
import {
  type Platform,
  type Registries,
  RegistriesToken,
  type RegistryCredentials,
  type RemoteReference,
  type ResolvedImage,
  type StoredImage,
} from "./backend.ts";
import { credentialsOf } from "./credentials.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { hostPlatform, parsePlatform } from "./platform.ts";
import { progressOf, pullLine } from "./progress.ts";
import { familiar, familiarName, parseWithTag, type Reference } from "./reference.ts";
import { namesOf, remoteOf } from "./remote.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** What one request pulls. */
interface Wish {
  /** As the client wrote it, for the last line. */
  readonly text: string;
  readonly platform: Platform | undefined;
  readonly credentials: RegistryCredentials | undefined;
  readonly signal: AbortSignal;
}

/** `POST /images/create`. */
export class ImagePull {
  readonly #registries: Registries;
  readonly #held: HeldImages;
  readonly #table: ImageTable;
  readonly #settings: Settings;

  constructor(
    @inject(RegistriesToken) registries: Registries,
    @inject(HeldImagesToken) held: HeldImages,
    @inject(ImageTableToken) table: ImageTable,
    @inject(SettingsToken) settings: Settings,
  ) {
    this.#registries = registries;
    this.#held = held;
    this.#table = table;
    this.#settings = settings;
  }

  async create({ query, headers, signal }: ApiRequest): Promise<Reply> {
    if (query.text("fromSrc")) {
      throw invalid("fromSrc is not supported by this engine yet: importing a file system; use docker load");
    }
    const from = query.text("fromImage") ?? "";
    if (!from) throw invalid("fromImage is empty: name the image to pull");
    const tag = query.text("tag") ?? "";
    const reference = parseWithTag(from, tag);
    const wish = {
      text: familiar(reference),
      platform: parsePlatform(query.text("platform") ?? ""),
      credentials: credentialsOf(headers["x-registry-auth"]),
      signal,
    };
    const wanted = isOne(reference) ? [reference] : await this.#allTags(reference, wish);
    return lines(await startNow(this.#pullAll(wanted, wish)));
  }

  async #allTags(reference: Reference, { credentials, signal }: Wish): Promise<Reference[]> {
    const tags = await this.#registries.tags(this.#remote(reference), credentials, signal);
    if (tags.length === 0) throw notFound(`no tags found for ${familiarName(reference)}`);
    return tags.map((tag) => parseWithTag(familiarName(reference), tag));
  }

  async *#pullAll(wanted: readonly Reference[], wish: Wish): AsyncGenerator<object> {
    let changed = false;
    for (const reference of wanted) changed = (yield* this.#pull(reference, wish)) || changed;
    const status = changed ? "Downloaded newer image for" : "Image is up to date for";
    yield { status: `Status: ${status} ${wish.text}` };
  }

  /** Pulls one image; true when the reference names another image than before. */
  async *#pull(reference: Reference, wish: Wish): AsyncGenerator<object, boolean> {
    const before = this.#table.idNamed(asNamed(reference));
    const resolved = await this.#resolve(reference, wish);
    yield { status: `Pulling from ${shownPath(reference)}`, id: reference.digest ?? reference.tag };
    const image = yield* progressOf(
      (observe) =>
        this.#held.bring(
          resolved.source,
          namesOf(reference, resolved),
          observe,
          wish.signal,
          (image) => checkPlatform(image, reference, wish.platform),
        ),
      pullLine,
    );
    yield { status: `Digest: ${resolved.digest}` };
    return image.id !== before;
  }

  #resolve(reference: Reference, { platform, credentials, signal }: Wish): Promise<ResolvedImage> {
    return this.#registries.resolve(
      this.#remote(reference),
      platform ?? hostPlatform(),
      credentials,
      signal,
    );
  }

  #remote(reference: Reference): RemoteReference {
    return remoteOf(reference, this.#settings.defaultRegistry);
  }
}

const isOne = ({ tag, digest }: Reference) => tag !== undefined || digest !== undefined;

/** A reference with both is pulled, and named, by its digest. */
const asNamed = ({ domain, path, tag, digest }: Reference): Reference =>
  digest === undefined ? { domain, path, tag } : { domain, path, digest };

/** Docker shows the path within the registry: `library/busybox`. */
const shownPath = ({ path }: Reference) => path;

/** An image without an index says in its configuration what it runs on; Docker's words when it is not what was asked. */
function checkPlatform({ config }: StoredImage, reference: Reference, wanted: Platform | undefined): void {
  if (!wanted || (config.os === wanted.os && config.architecture === wanted.architecture)) return;
  throw notFound(
    `image with reference ${familiar(reference)} was found but its platform ` +
      `(${config.os}/${config.architecture}) does not match the specified platform ` +
      `(${wanted.os}/${wanted.architecture})`,
  );
}

/** Runs a generator up to its first value, so that what goes wrong before it becomes a status. */
async function startNow<T>(generator: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await generator.next();
  return (async function* () {
    if (first.done) return;
    try {
      yield first.value;
      yield* generator;
    } finally {
      await generator.return(undefined);
    }
  })();
}
