/** A body of which the first bytes were looked at. */
export interface Peeked {
  /** At least as many bytes as were asked for, unless there are no more. */
  readonly start: Uint8Array;
  /** The whole body, to be iterated once. */
  readonly all: AsyncIterable<Uint8Array>;
}

/** Looks at the first bytes of a body. */
export async function peek(body: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Peeked> {
  const chunks = body[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let seen = 0;
  while (seen < sizeBytes) {
    const next = await chunks.next();
    if (next.done) break;
    first.push(next.value);
    seen += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  }
  return { start: Buffer.concat(first), all: all() };
}
