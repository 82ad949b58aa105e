import { inject } from "../../core/kernel/scope.ts";
import { lines, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { ApiError, invalid, notFound } from "../../core/support/errors.ts";
import {
  type ImageStore,
  ImageStoreToken,
  type Platform,
  type Registries,
  RegistriesToken,
  type RegistryCredentials,
  type RegistryLogins,
  RegistryLoginsToken,
  type ResolvedImage,
} from "./backend.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { type ImageImport, ImportToken } from "./import.ts";
import { hostPlatform, mismatch, parsePlatform, suits } from "./platform.ts";
import { progressOf, pullLine } from "./progress.ts";
import { familiar, familiarName, parseWithTag, type Reference, refuseAmbiguous } from "./reference.ts";
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
  readonly #logins: RegistryLogins;
  readonly #store: ImageStore;
  readonly #import: ImageImport;

  constructor(
    @inject(RegistriesToken) registries: Registries,
    @inject(HeldImagesToken) held: HeldImages,
    @inject(ImageTableToken) table: ImageTable,
    @inject(SettingsToken) settings: Settings,
    @inject(RegistryLoginsToken) logins: RegistryLogins,
    @inject(ImageStoreToken) store: ImageStore,
    @inject(ImportToken) imports: ImageImport,
  ) {
    this.#registries = registries;
    this.#held = held;
    this.#table = table;
    this.#settings = settings;
    this.#logins = logins;
    this.#store = store;
    this.#import = imports;
  }

  async create(request: ApiRequest): Promise<Reply> {
    const { query, headers, signal } = request;
    const from = query.text("fromImage") ?? "";
    if (!from && query.text("fromSrc")) return this.#import.create(request);
    if (!from) throw invalid("fromImage is empty: name the image to pull");
    // The CLI sends `name:` for all tags.
    const reference = parseWithTag(from.replace(/:$/, ""), query.text("tag") ?? "");
    checkName(reference);
    const wish = {
      text: familiar(reference),
      platform: parsePlatform(query.text("platform") ?? ""),
      credentials: this.#logins.credentialsFor(headers, remoteOf(reference, this.#settings).registry),
      signal,
    };
    const wanted = isOne(reference) ? [reference] : await this.#allTags(reference, wish);
    return lines(await startNow(this.#pullAll(wanted, wish)));
  }

  async #allTags(reference: Reference, { credentials, signal }: Wish): Promise<Reference[]> {
    const tags = await this.#registries.tags(remoteOf(reference, this.#settings), credentials, signal);
    if (tags.length === 0) throw notFound(`no tags found for ${familiarName(reference)}`);
    return tags.map((tag) => parseWithTag(familiarName(reference), tag));
  }

  async *#pullAll(wanted: readonly Reference[], wish: Wish): AsyncGenerator<object> {
    let changed = false;
    for (const reference of wanted) changed = (yield* this.#pull(reference, wish)) || changed;
    const status = changed ? "Downloaded newer image for" : "Image is up to date for";
    yield { status: `Status: ${status} ${wish.text}` };
    const [only] = wanted.length === 1 ? wanted : [];
    if (only) yield* this.#warnOfPlatform(only, wish);
  }

  /** Pulls one image; true when the reference names another image than before. */
  async *#pull(reference: Reference, wish: Wish): AsyncGenerator<object, boolean> {
    const before = this.#table.idNamed(asNamed(reference));
    const resolved = await this.#resolve(reference, wish);
    const { digest, source } = resolved;
    yield { status: `Pulling from ${reference.path}`, id: wantedPart(reference) };
    // Of an image that is there already, Docker tells no layers.
    const lineOf = this.#table.has(source.config.digest) ? () => undefined : pullLine;
    const names = namesOf(reference, resolved);
    const image = yield* progressOf(
      (observe) => this.#held.bring(source, names, observe, wish.signal),
      lineOf,
    );
    yield { status: `Digest: ${digest}` };
    return image.id !== before;
  }

  /** An image without an index says in its configuration what it runs on. As with Docker it is kept all the same. */
  *#warnOfPlatform(reference: Reference, { platform, text }: Wish): Generator<object> {
    const { config } = this.#table.find(familiar(asNamed(reference)));
    if (!platform || suits(config, platform)) return;
    yield { status: `WARNING: ${mismatch(config, text, platform)}` };
  }

  #resolve(reference: Reference, { platform, credentials, signal }: Wish): Promise<ResolvedImage> {
    return this.#registries.resolve(
      remoteOf(reference, this.#settings),
      platform ?? hostPlatform(),
      credentials,
      signal,
      (origin, digest) => this.#store.knownManifest(origin, digest),
    );
  }
}

const isOne = ({ tag, digest }: Reference) => tag !== undefined || digest !== undefined;

/** A reference with both is pulled, and named, by its digest. */
const asNamed = ({ domain, path, tag, digest }: Reference): Reference =>
  digest === undefined ? { domain, path, tag } : { domain, path, digest };

/** The tag; or what names a digest, in full. */
const wantedPart = (reference: Reference): string =>
  reference.digest === undefined ? reference.tag ?? "" : familiar(reference);

/** Errors: `forbidden` and `invalid` in Docker's words for names that no image may have. */
function checkName(reference: Reference): void {
  if (familiarName(reference) === "scratch") throw new ApiError("forbidden", "'scratch' is a reserved name");
  refuseAmbiguous(reference);
  const { digest } = reference;
  if (digest !== undefined && !digest.startsWith("sha256:")) throw invalid("unsupported digest algorithm");
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
