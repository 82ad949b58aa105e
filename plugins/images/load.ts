import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { lines, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { JobToken } from "../../core/kernel/tokens.ts";
import { unsupportedField } from "../../core/support/errors.ts";
import { decompressed } from "./archive/decompress.ts";
import type { ArchivedImage } from "./archive/archived-image.ts";
import { imagesOf } from "./archive/images.ts";
import { spool } from "./archive/spool.ts";
import { type HeldImages, HeldImagesToken } from "./held-images.ts";
import { hostPlatform } from "./platform.ts";
import { loadLine, progressOf } from "./progress.ts";
import { familiar, parseReference, type Reference, withDefaultTag } from "./reference.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** Start of the names of directories in the job's own that hold an archive's files while it is loaded. */
const spoolPrefix = "load-";

/** `POST /images/load`. */
export class ImageLoad {
  readonly #job: Job;
  readonly #held: HeldImages;
  readonly #settings: Settings;

  constructor(
    @inject(JobToken) job: Job,
    @inject(HeldImagesToken) held: HeldImages,
    @inject(SettingsToken) settings: Settings,
  ) {
    this.#job = job;
    this.#held = held;
    this.#settings = settings;
  }

  /** What an archive left behind when the daemon was killed in the middle of it goes. */
  async open(): Promise<void> {
    for (const name of await readdir(this.#job.dir)) {
      if (name.startsWith(spoolPrefix)) await rm(join(this.#job.dir, name), { recursive: true, force: true });
    }
  }

  load({ query, body, signal }: ApiRequest): Reply {
    if (query.text("platform")) throw unsupportedField("platform");
    return lines(this.#load(body, query.flag("quiet"), signal));
  }

  async *#load(body: AsyncIterable<Uint8Array>, quiet: boolean, signal: AbortSignal): AsyncGenerator<object> {
    const directory = await mkdtemp(join(this.#job.dir, spoolPrefix));
    try {
      const archive = await spool(decompressed(body), directory, this.#settings.loadLimitBytes, signal);
      const images = await imagesOf(archive, hostPlatform());
      // Every name is checked before the first image is brought in.
      const named = images.map((image) => ({ image, references: referencesOf(image) }));
      for (const { image, references } of named) yield* this.#bring(image, references, quiet, signal);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async *#bring(
    { source }: ArchivedImage,
    references: readonly Reference[],
    quiet: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<object> {
    const { id } = yield* progressOf(
      (observe) => this.#held.bring(source, references, observe, signal),
      quiet ? () => undefined : loadLine,
    );
    for (const reference of references) yield { stream: `Loaded image: ${familiar(reference)}\n` };
    if (references.length === 0) yield { stream: `Loaded image ID: ${id}\n` };
  }
}

const referencesOf = ({ names }: ArchivedImage): Reference[] =>
  names.map((name) => {
    const { domain, path, tag } = withDefaultTag(parseReference(name));
    return { domain, path, tag: tag ?? "latest" };
  });
