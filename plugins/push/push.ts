import { lines, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { invalid, notFound } from "../../core/support/errors.ts";
import { Turns } from "../../core/support/turns.ts";
import type { Descriptor, StoredImage } from "../images/backend.ts";
import {
  type ImagesToPush,
  ImagesToPushToken,
  type PushRegistries,
  PushRegistriesToken,
  type PushTarget,
} from "./backend.ts";
import type { PushRun } from "./blob-pusher.ts";
import { ImagePush, type PushedImage } from "./image-push.ts";
import { linesOf } from "./lines.ts";
import { checkPlatform, platformOf } from "./platform.ts";
import { type PushedBlobs, PushedBlobsToken } from "./pushed-blobs.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** What one request pushes. */
interface Wish {
  readonly target: PushTarget;
  /** One platform alone, without the index. */
  readonly alone: boolean;
  readonly headers: ApiRequest["headers"];
  readonly signal: AbortSignal;
}

type Tagged = PushTarget["tags"][number];

/** `POST /images/{name}/push`. */
export class PushRequests {
  readonly #images: ImagesToPush;
  readonly #registries: PushRegistries;
  readonly #pushed: PushedBlobs;
  readonly #settings: Settings;
  readonly #turns: Turns;
  readonly #running = new Set<Promise<unknown>>();

  constructor(
    @inject(ImagesToPushToken) images: ImagesToPush,
    @inject(PushRegistriesToken) registries: PushRegistries,
    @inject(PushedBlobsToken) pushed: PushedBlobs,
    @inject(SettingsToken) settings: Settings,
  ) {
    this.#images = images;
    this.#registries = registries;
    this.#pushed = pushed;
    this.#settings = settings;
    this.#turns = new Turns(settings.concurrentUploads);
  }

  push({ params, query, headers, version, signal }: ApiRequest): Reply {
    const target = this.#images.target(params.name ?? "", query.text("tag") ?? "");
    // Older versions do not have the parameter, as with Docker.
    const platform = version.atLeast("1.46") ? platformOf(query.text("platform")) : undefined;
    const reference = `${target.name}:${target.tag ?? "latest"}`;
    if (platform) checkPlatform(this.#images.find(reference), reference, platform);
    return lines(this.#push({ target, alone: platform !== undefined, headers, signal }));
  }

  /** Waits for what the job's end broke off: uploads are taken back. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async *#push(wish: Wish): AsyncGenerator<object> {
    const { target, signal } = wish;
    yield { status: `The push refers to repository [${target.fullName}]` };
    const wanted = wantedOf(target);
    const credentials = this.#images.credentials(target, wish.headers);
    const repository = this.#registries.repository(target.remote, credentials);
    await repository.reach(signal);
    const run: PushRun = {
      repository,
      remote: target.remote,
      images: this.#images,
      pushed: this.#pushed,
      turns: this.#turns,
      compressionLevel: this.#settings.compressionLevel,
      signal,
    };
    for (const tagged of wanted) yield* this.#pushOne(tagged, wish, run);
  }

  async *#pushOne({ tag, image }: Tagged, { target, alone }: Wish, run: PushRun): AsyncGenerator<object> {
    const push = new ImagePush(run, this.#settings.concurrentUploads);
    const pushed = yield* linesOf((lines) => this.#counted(push.push(image, tag, alone, lines)));
    await this.#images.pushed(image, target, pushed.named.digest);
    yield* lastLines(tag, image, pushed);
  }

  #counted<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const done = () => void this.#running.delete(work);
    work.then(done, done);
    return work;
  }
}

/** The tags to push. Errors in Docker's words. */
function wantedOf({ name, tag, tags, byDigest, isKnown }: PushTarget): readonly Tagged[] {
  if (!isKnown) throw notFound(`An image does not exist locally with the tag: ${name}`);
  if (byDigest) throw invalid("cannot push a digest reference");
  const wanted = tag === undefined ? tags : tags.filter((each) => each.tag === tag);
  if (wanted.length > 0) return wanted;
  throw notFound(tag === undefined ? `no tags to push for ${name}` : `tag does not exist: ${name}:${tag}`);
}

function* lastLines(tag: string, image: StoredImage, { named, missed }: PushedImage): Generator<object> {
  if (missed) yield* notes(image, named, missed);
  const { digest, sizeBytes } = named;
  yield { status: `${tag}: digest: ${digest} size: ${sizeBytes}` };
  yield { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: sizeBytes } };
}

/** For people, and in the form that Docker's daemon with a containerd image store has for clients. */
function* notes({ config }: StoredImage, named: Descriptor, missed: Descriptor): Generator<object> {
  const platform = [config.os, config.architecture, config.variant].filter(Boolean).join("/");
  yield { status: `Not all of ${missed.digest} is present: pushed what is for ${platform}` };
  yield {
    progressDetail: {},
    aux: {
      manifestPushedInsteadOfIndex: true,
      originalIndex: inOciTerms(missed),
      selectedManifest: inOciTerms(named),
    },
  };
}

const inOciTerms = ({ mediaType, digest, sizeBytes }: Descriptor) => ({ mediaType, digest, size: sizeBytes });
