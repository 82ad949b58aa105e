/**
 * Which blobs a job's lease lists for the sake of which image, by the digest of its manifest: one image ID may have
 * come by several. Two platforms of an image share their index, so that letting go of one must not take it from the
 * other.
 */
export class Holds {
  readonly #digestsOf = new Map<string, Set<string>>();

  add(manifestDigest: string, digests: readonly string[]): void {
    this.#digestsOf.set(manifestDigest, new Set([...this.#digestsOf.get(manifestDigest) ?? [], ...digests]));
  }

  /** What no image needs once this one is gone. @param digests of it, known or not */
  leaving(manifestDigest: string, digests: readonly string[]): string[] {
    const others = [...this.#digestsOf].filter(([digest]) => digest !== manifestDigest).map(([, needed]) =>
      needed
    );
    return [...new Set([...this.#digestsOf.get(manifestDigest) ?? [], ...digests])]
      .filter((digest) => !others.some((needed) => needed.has(digest)));
  }

  remove(manifestDigest: string): void {
    this.#digestsOf.delete(manifestDigest);
  }
}
