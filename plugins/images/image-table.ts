import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { inject, optional, type Token, token } from "../../core/kernel/scope.ts";
import { JobToken } from "../../core/kernel/tokens.ts";
import { readJson, writeAtomically } from "../../core/support/atomic-file.ts";
import { notFound } from "../../core/support/errors.ts";
import type { ImageLookup, ImageUsers } from "../containers/backend.ts";
import type { StoredImage } from "./backend.ts";
import { type Preload, type PreloadedImage, PreloadToken } from "./preload.ts";
import { familiar, parseReference, type Reference, withDefaultTag } from "./reference.ts";

/** Job-scoped; the objects of this area take it from each other. */
export const ImageTableToken: Token<ImageTable> = token("images.table");

/** An image of the job with the names it has there. */
export interface NamedImage {
  readonly image: StoredImage;
  /** Familiar form, sorted. */
  readonly tags: readonly string[];
  /** `name@sha256:…`, familiar form, sorted. */
  readonly digests: readonly string[];
  /** When it was last tagged here; pulling and loading do not count, as with Docker. */
  readonly taggedAt?: string;
}

/** What the file holds. */
interface Saved {
  readonly format: 1;
  readonly images: readonly { readonly image: StoredImage; readonly taggedAt?: string }[];
  /** Familiar references, tagged and digested, to image IDs. */
  readonly references: Readonly<Record<string, string>>;
}

/**
 * The job's own table of images and the names they go by: what is not in it does not exist for this job. Every
 * change is on disk before it is answered.
 */
export class ImageTable implements ImageLookup {
  readonly #path: string;
  readonly #images = new Map<string, { image: StoredImage; taggedAt?: string }>();
  readonly #references = new Map<string, string>();
  readonly #preload: Pick<Preload, "list"> | undefined;
  #users: ImageUsers = () => [];
  #saving: Promise<void> = Promise.resolve();

  /** @param preload what a new job's table starts with */
  constructor(
    @inject(JobToken) job: Job,
    @inject(optional(PreloadToken)) preload?: Pick<Preload, "list">,
  ) {
    this.#preload = preload;
    this.#path = join(job.dir, "images.json");
  }

  async open(): Promise<void> {
    const saved = await readJson<Saved>(this.#path);
    if (!saved) return this.#seed(this.#preload?.list() ?? []);
    for (const each of saved.images ?? []) this.#images.set(each.image.id, { ...each });
    for (const [name, id] of Object.entries(saved.references)) this.#references.set(name, id);
  }

  /** Nothing is written: a table that nobody changed is seeded again. */
  #seed(preloaded: readonly PreloadedImage[]): void {
    for (const { image, names } of preloaded) {
      this.#images.set(image.id, { image });
      for (const name of names) this.#references.set(name, image.id);
    }
  }

  askForUsers(users: ImageUsers): void {
    this.#users = users;
  }

  /** The containers made from an image. */
  usersOf(imageId: string): ReturnType<ImageUsers> {
    return this.#users(imageId);
  }

  find(name: string): StoredImage {
    const id = this.#idOf(name);
    if (id === undefined) throw notFound(`No such image: ${missingName(name)}`);
    return this.#entry(id).image;
  }

  /** The image with its names. Errors as {@link find}. */
  named(name: string): NamedImage {
    return this.#describe(this.find(name).id);
  }

  list(): NamedImage[] {
    return [...this.#images.keys()].map((id) => this.#describe(id));
  }

  has(imageId: string): boolean {
    return this.#images.has(imageId);
  }

  /** The ID of the image that a tagged or digested reference names. */
  idNamed(reference: Reference): string | undefined {
    return this.#references.get(familiar(reference));
  }

  /** How the table spells a reference that names an image: familiar, with its tag. */
  spelling(name: string): string {
    return keyOf(parseReference(name));
  }

  referencesTo(imageId: string): readonly string[] {
    return this.has(imageId) ? this.#describe(imageId).tags : [];
  }

  /** Adds an image and the references that name it from now on; they leave whatever they named. */
  add(image: StoredImage, references: readonly Reference[]): Promise<void> {
    this.#images.set(image.id, { ...this.#images.get(image.id), image });
    for (const reference of references) this.#references.set(familiar(reference), image.id);
    return this.#save();
  }

  /** Gives a present image another name. */
  tag(imageId: string, reference: Reference): Promise<void> {
    this.#entry(imageId).taggedAt = new Date().toISOString();
    this.#references.set(familiar(reference), imageId);
    return this.#save();
  }

  /** Takes names away; the images stay. */
  unname(references: readonly string[]): Promise<void> {
    for (const reference of references) this.#references.delete(reference);
    return this.#save();
  }

  /** Forgets an image and every name it has. */
  forget(imageId: string): Promise<void> {
    this.#images.delete(imageId);
    for (const [name, id] of this.#references) if (id === imageId) this.#references.delete(name);
    return this.#save();
  }

  /** By reference first, as Docker does: a repository may be called like the start of an ID. */
  #idOf(name: string): string | undefined {
    if (/^sha256:[0-9a-f]{1,64}$/.test(name)) return this.#byPrefix(name);
    if (/^[0-9a-f]{64}$/.test(name)) return this.#byPrefix(`sha256:${name}`);
    return this.#references.get(this.spelling(name)) ?? this.#byPrefix(`sha256:${name}`);
  }

  #byPrefix(prefix: string): string | undefined {
    if (!/^sha256:[0-9a-f]{1,64}$/.test(prefix)) return undefined;
    const matches = [...this.#images.keys()].filter((id) => id.startsWith(prefix));
    return matches.length === 1 ? matches[0] : undefined;
  }

  #entry(imageId: string): { image: StoredImage; taggedAt?: string } {
    const entry = this.#images.get(imageId);
    if (!entry) throw notFound(`No such image: ${imageId}`);
    return entry;
  }

  #describe(imageId: string): NamedImage {
    const names = [...this.#references].filter(([, id]) => id === imageId).map(([name]) => name).sort();
    return {
      ...this.#entry(imageId),
      tags: names.filter((name) => !name.includes("@")),
      digests: names.filter((name) => name.includes("@")),
    };
  }

  /** One write at a time, each of the newest state: a slow one cannot undo a later one. */
  #save(): Promise<void> {
    const next = this.#saving.catch(() => {}).then(() => writeAtomically(this.#path, this.#content()));
    this.#saving = next;
    return next;
  }

  #content(): string {
    const saved: Saved = {
      format: 1,
      images: [...this.#images.values()],
      references: Object.fromEntries(this.#references),
    };
    return JSON.stringify(saved);
  }
}

/** A digest outweighs a tag. */
function keyOf({ domain, path, tag, digest }: Reference): string {
  return familiar(withDefaultTag(digest === undefined ? { domain, path, tag } : { domain, path, digest }));
}

/** Docker adds the tag it looked for. */
function missingName(name: string): string {
  if (/^(?:sha256:[0-9a-f]{1,64}|[0-9a-f]{64})$/.test(name)) return name;
  return familiar(withDefaultTag(parseReference(name)));
}
