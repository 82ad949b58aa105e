import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { inject, optional, type Token, token } from "../../core/kernel/scope.ts";
import { JobToken } from "../../core/kernel/tokens.ts";
import { readJson, writeAtomically } from "../../core/support/atomic-file.ts";
import { internal, notFound } from "../../core/support/errors.ts";
import type { ImageLookup, ImageUsers } from "../containers/backend.ts";
import type { StoredImage } from "./backend.ts";
import { ImageNames, type NameTarget } from "./names.ts";
import { type Preload, PreloadToken } from "./preload/preload.ts";
import {
  familiar,
  isDigest,
  parseReference,
  type Reference,
  refuseAmbiguous,
  withDefaultTag,
} from "./reference.ts";

/** Job-scoped; the objects of this area take it from each other. */
export const ImageTableToken: Token<ImageTable> = token("images.table");

/** An image of the job with the names it has there. */
export interface NamedImage {
  readonly image: StoredImage;
  /** Familiar form, in Docker's order. */
  readonly tags: readonly string[];
  /** `name@sha256:…`, familiar form, in Docker's order. */
  readonly digests: readonly string[];
  /** When it was last tagged here; pulling and loading do not count, as with Docker. */
  readonly taggedAt?: string;
}

/** What the file holds. */
interface Saved {
  readonly format: 2;
  /** Several of one ID when it came by several manifests; the newest last. */
  readonly images: readonly { readonly image: StoredImage; readonly taggedAt?: string }[];
  /** Familiar references, tagged and digested, to digests of manifests. */
  readonly references: Readonly<Record<string, string>>;
}

/** One image ID. */
interface Entry {
  /** By digest, the manifests that it came by: those that a name means, or else the newest alone. */
  readonly manifests: Map<string, StoredImage>;
  taggedAt?: string;
}

/**
 * The job's own table of images and the names they go by: what is not in it does not exist for this job. Every
 * change is on disk before it is answered.
 */
export class ImageTable implements ImageLookup {
  readonly #path: string;
  readonly #images = new Map<string, Entry>();
  readonly #names = new ImageNames();
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
    if (!saved) return this.#seed();
    const targets = new Map<string, NameTarget>();
    for (const { image, taggedAt } of saved.images) {
      this.#put(image).taggedAt = taggedAt;
      targets.set(image.manifest.digest, targetOf(image));
    }
    this.#names.load(saved.references, (digest) => targets.get(digest));
  }

  /** Nothing is written: a table that nobody changed is seeded again. */
  #seed(): void {
    for (const { image, references } of this.#preload?.list() ?? []) {
      this.#put(image);
      for (const reference of references) this.#name(reference, image);
    }
  }

  askForUsers(users: ImageUsers): void {
    this.#users = users;
  }

  /** The containers made from an image. */
  usersOf(imageId: string): ReturnType<ImageUsers> {
    return this.#users(imageId);
  }

  /** The image that a name, an ID or the start of one means; by name, as it came under that name. */
  find(name: string): StoredImage {
    const target = this.#byName(name);
    const id = target?.imageId ?? this.#byId(name);
    const entry = id === undefined ? undefined : this.#images.get(id);
    if (!entry) throw notFound(`No such image: ${missingName(name)}`);
    return entry.manifests.get(target?.manifestDigest ?? "") ?? newest(entry);
  }

  /** The image with its names. Errors as {@link find}. */
  named(name: string): NamedImage {
    return this.#describe(this.find(name));
  }

  /** Every image once, however many manifests it came by. */
  list(): NamedImage[] {
    return [...this.#images.values()].map((entry) => this.#describe(newest(entry)));
  }

  has(imageId: string): boolean {
    return this.#images.has(imageId);
  }

  /** Whether the job still has an image by this very manifest. */
  holds({ id, manifest }: StoredImage): boolean {
    return this.#images.get(id)?.manifests.has(manifest.digest) ?? false;
  }

  /** Every image by every manifest that it came by. */
  allManifests(): StoredImage[] {
    return [...this.#images.values()].flatMap(({ manifests }) => [...manifests.values()]);
  }

  /** The ID of the image that a tagged or digested reference names. */
  idNamed(reference: Reference): string | undefined {
    return this.#names.get(familiar(reference))?.imageId;
  }

  /** How the table spells a reference that names an image: familiar, with its tag. */
  spelling(name: string): string {
    return keyOf(parseReference(name));
  }

  referencesTo(imageId: string): readonly string[] {
    return this.namesOf(imageId).filter((name) => !name.includes("@"));
  }

  /** All names of an image, tagged and digested, in Docker's order. */
  namesOf(imageId: string): readonly string[] {
    return this.#names.of(imageId);
  }

  /** Adds an image and the references that name it from now on; they leave whatever they named. */
  async add(image: StoredImage, references: readonly Reference[]): Promise<void> {
    references.forEach(refuseAmbiguous);
    this.#put(image);
    for (const reference of references) this.#name(reference, image);
    this.#settle(image.id);
    await this.#save();
  }

  /** Gives a present image another name. */
  tag(image: StoredImage, reference: Reference): Promise<void> {
    const entry = this.#images.get(image.id);
    if (!entry) throw notFound(`No such image: ${image.id}`);
    entry.taggedAt = new Date().toISOString();
    this.#name(reference, image);
    return this.#save();
  }

  /** Takes names away; the images stay. */
  unname(references: readonly string[]): Promise<void> {
    for (const reference of references) this.#unname(reference);
    return this.#save();
  }

  /** Forgets an image and every name it has. */
  forget(imageId: string): Promise<void> {
    for (const name of this.namesOf(imageId)) this.#names.delete(name);
    this.#images.delete(imageId);
    return this.#save();
  }

  #put(image: StoredImage): Entry {
    const entry = this.#images.get(image.id) ?? { manifests: new Map() };
    // Put last: the newest.
    entry.manifests.delete(image.manifest.digest);
    entry.manifests.set(image.manifest.digest, image);
    this.#images.set(image.id, entry);
    return entry;
  }

  #name(reference: Reference, image: StoredImage): void {
    const before = this.#names.get(familiar(reference));
    this.#names.set(reference, targetOf(image));
    if (before) this.#settle(before.imageId);
  }

  #unname(name: string): void {
    const before = this.#names.get(name);
    this.#names.delete(name);
    if (before) this.#settle(before.imageId);
  }

  /** Drops the manifests that no name means any more; an image without names keeps its newest. */
  #settle(imageId: string): void {
    const manifests = this.#images.get(imageId)?.manifests ?? new Map<string, StoredImage>();
    const all = [...manifests.values()];
    const named = all.filter((each) => this.#names.isNamed(each));
    const kept = named.length > 0 ? named : all.slice(-1);
    for (const each of all) if (!kept.includes(each)) manifests.delete(each.manifest.digest);
  }

  /** By reference first, as Docker does: a repository may be called like the start of an ID. */
  #byName(name: string): NameTarget | undefined {
    return wholeId(name) !== undefined ? undefined : this.#names.get(this.spelling(name));
  }

  /** By ID, or by a start that no other ID has. */
  #byId(name: string): string | undefined {
    const prefix = name.startsWith("sha256:") ? name : `sha256:${name}`;
    if (!/^sha256:[0-9a-f]{1,64}$/.test(prefix)) return undefined;
    if (prefix.length === wholeIdLength) return prefix;
    const matches = [...this.#images.keys()].filter((id) => id.startsWith(prefix));
    return matches.length === 1 ? matches[0] : undefined;
  }

  #describe(image: StoredImage): NamedImage {
    const names = this.namesOf(image.id);
    const taggedAt = this.#images.get(image.id)?.taggedAt;
    return {
      image,
      ...(taggedAt !== undefined && { taggedAt }),
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
    const images = [...this.#images.values()].flatMap(({ manifests, taggedAt }) =>
      [...manifests.values()].map((image) => ({ image, taggedAt }))
    );
    const saved: Saved = { format: 2, images, references: this.#names.toRecord() };
    return JSON.stringify(saved);
  }
}

const wholeIdLength = "sha256:".length + 64;

/** 64 hex digits are an ID, with or without the algorithm in front. */
const wholeId = (name: string): string | undefined => [name, `sha256:${name}`].find(isDigest);

const targetOf = ({ id, manifest }: StoredImage): NameTarget => ({
  imageId: id,
  manifestDigest: manifest.digest,
});

function newest({ manifests }: Entry): StoredImage {
  const image = [...manifests.values()].at(-1);
  if (!image) throw internal("an image of the table has no manifest");
  return image;
}

/** A digest outweighs a tag. */
function keyOf({ domain, path, tag, digest }: Reference): string {
  return familiar(withDefaultTag(digest === undefined ? { domain, path, tag } : { domain, path, digest }));
}

/** Docker adds the tag it looked for. */
function missingName(name: string): string {
  return wholeId(name) ?? familiar(withDefaultTag(parseReference(name)));
}
