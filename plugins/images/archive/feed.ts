import * as streamx from "streamx";

/** The library's declarations lack it. */
const { pipelinePromise } = streamx as unknown as {
  pipelinePromise(...streams: readonly unknown[]): Promise<void>;
};

/** Feeding a stream, and what went wrong with the chunks themselves. */
export interface Feeding {
  /** Settles when everything was written, or either side broke. Never rejects. */
  readonly done: Promise<void>;
  /** What the chunks' iteration threw; the stream is destroyed then. */
  failure(): { readonly error: unknown } | undefined;
}

/**
 * Writes chunks into a stream, Node's or streamx's, as fast as it takes them, then ends it. Stops when the stream is
 * destroyed, and leaves the chunks' iteration then.
 */
export function feed(chunks: AsyncIterable<Uint8Array>, sink: unknown): Feeding {
  let failed: { readonly error: unknown } | undefined;
  async function* noticing() {
    try {
      yield* chunks;
    } catch (error) {
      failed = { error };
      throw error;
    }
  }
  const done = pipelinePromise(streamx.Readable.from(noticing()), sink).catch(() => {});
  return { done, failure: () => failed };
}
