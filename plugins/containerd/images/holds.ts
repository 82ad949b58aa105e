/**
 * Which blobs a job's lease lists for the sake of which image. Two platforms of an image share their index, so that
 * letting go of one must not take it from the other.
 */
export class Holds {
  readonly #digestsOf = new Map<string, Set<string>>();

  add(imageId: string, digests: readonly string[]): void {
    this.#digestsOf.set(imageId, new Set([...this.#digestsOf.get(imageId) ?? [], ...digests]));
  }

  /** What no image needs once this one is gone. @param digests of it, known or not */
  leaving(imageId: string, digests: readonly string[]): string[] {
    const others = [...this.#digestsOf].filter(([id]) => id !== imageId).map(([, needed]) => needed);
    return [...new Set([...this.#digestsOf.get(imageId) ?? [], ...digests])]
      .filter((digest) => !others.some((needed) => needed.has(digest)));
  }

  remove(imageId: string): void {
    this.#digestsOf.delete(imageId);
  }
}
