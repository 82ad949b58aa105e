/** Bytes handed from a writer to a reader, one chunk at a time: the writer waits until the reader took it. */
export class FakeInput implements AsyncIterable<Uint8Array> {
  readonly #chunks: { bytes: Uint8Array; taken: () => void }[] = [];
  #ended = false;
  #wake: () => void = () => {};

  /** Resolves when the reader took the chunk, or will not. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#chunks.push({ bytes: Uint8Array.from(bytes), taken: resolve });
      this.#wake();
    });
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#chunks.shift();
      if (next) {
        next.taken();
        yield next.bytes;
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
