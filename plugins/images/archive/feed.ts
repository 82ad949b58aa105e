/** The parts of a writable stream that feeding needs; Node's streams and streamx's have them. */
interface Sink {
  readonly destroyed: boolean;
  write(chunk: Uint8Array): boolean;
  end(chunk: null): unknown;
  destroy(error: Error): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
  removeListener(event: "drain" | "close", listener: () => void): unknown;
}

/** Feeding a stream, and what went wrong with the chunks themselves. */
export interface Feeding {
  /** Settles when everything was written, or either side broke. Never rejects. */
  readonly done: Promise<void>;
  /** What the chunks' iteration threw; the stream is destroyed then. */
  failure(): { readonly error: unknown } | undefined;
}

/** Writes chunks into a stream as fast as it takes them, then ends it. Stops when the stream is destroyed. */
export function feed(chunks: AsyncIterable<Uint8Array>, sink: Sink): Feeding {
  let failed: { readonly error: unknown } | undefined;
  const done = writeAll(chunks, sink).catch((error) => {
    failed = { error };
    sink.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return { done, failure: () => failed };
}

async function writeAll(chunks: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  for await (const chunk of chunks) {
    if (sink.destroyed) return;
    if (!sink.write(chunk)) await drained(sink);
  }
  sink.end(null);
}

function drained(sink: Sink): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      sink.removeListener("drain", go);
      sink.removeListener("close", go);
      resolve();
    };
    sink.once("drain", go);
    sink.once("close", go);
    if (sink.destroyed) go();
  });
}
