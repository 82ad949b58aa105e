import type { StoredImage } from "./backend.ts";
import { canonical, familiar, parseReference, type Reference } from "./reference.ts";

/** Whom a name means: an image, and of its manifests the one that came under this name. */
export interface NameTarget {
  readonly imageId: string;
  readonly manifestDigest: string;
}

/** Names of images in the familiar form, tagged and digested, both ways. */
export class ImageNames {
  readonly #targets = new Map<string, NameTarget & { readonly order: string }>();
  readonly #ofImage = new Map<string, Set<string>>();

  /** The name means this image from now on, and no other. */
  set(reference: Reference, target: NameTarget): void {
    const name = familiar(reference);
    this.delete(name);
    this.#targets.set(name, { ...target, order: canonical(reference) });
    const names = this.#ofImage.get(target.imageId) ?? new Set();
    this.#ofImage.set(target.imageId, names.add(name));
  }

  delete(name: string): void {
    const target = this.#targets.get(name);
    if (!target) return;
    this.#targets.delete(name);
    const names = this.#ofImage.get(target.imageId);
    names?.delete(name);
    if (names?.size === 0) this.#ofImage.delete(target.imageId);
  }

  get(name: string): NameTarget | undefined {
    return this.#targets.get(name);
  }

  /** All names of an image, in Docker's order: by the whole name, so that those of the default registry stand together. */
  of(imageId: string): string[] {
    const order = (name: string) => this.#targets.get(name)?.order ?? "";
    return [...this.#ofImage.get(imageId) ?? []].sort((one, other) => order(one) < order(other) ? -1 : 1);
  }

  /** Whether a name means this very manifest of the image. */
  isNamed({ id, manifest }: StoredImage): boolean {
    const names = [...this.#ofImage.get(id) ?? []];
    return names.some((name) => this.#targets.get(name)?.manifestDigest === manifest.digest);
  }

  /** As plain data: each name with the manifest's digest it means. */
  toRecord(): Record<string, string> {
    return Object.fromEntries([...this.#targets].map(([name, { manifestDigest }]) => [name, manifestDigest]));
  }

  /** Takes names in that {@link toRecord} gave; the target tells what a digest means now. */
  load(record: Readonly<Record<string, string>>, target: (digest: string) => NameTarget | undefined): void {
    for (const [name, digest] of Object.entries(record)) {
      const meant = target(digest);
      if (meant) this.set(parseReference(name), meant);
    }
  }
}
