/** A line for the client: `{"status":"Pushing","progressDetail":{…},"id":"…"}`. */
export type PushLine = {
  readonly status: string;
  readonly progressDetail: { readonly current?: number; readonly total?: number };
  readonly id: string;
};

/** At most one line of bytes per layer in this time, in milliseconds. */
const betweenLinesMs = 100;

/** The start of a digest's hex part, as Docker shows it. */
export const shortDigest = (digest: string): string => digest.slice(digest.indexOf(":") + 1).slice(0, 12);

/**
 * Lines that wait for the client. A slow one holds nothing up: of one layer's waiting byte counts only the newest is
 * kept.
 */
export class PushLines {
  #waiting: PushLine[] = [];
  readonly #shownAt = new Map<string, number>();
  #ended = false;
  #wake: () => void = () => {};

  /** What became of a layer. */
  state(id: string, status: string): void {
    this.#put({ status, progressDetail: {}, id });
  }

  /** How far a layer is, in bytes. */
  bytes(id: string, current: number, total: number): void {
    const now = Date.now();
    if (now - (this.#shownAt.get(id) ?? 0) < betweenLinesMs) return;
    this.#shownAt.set(id, now);
    this.#put({ status: "Pushing", progressDetail: { current, total }, id });
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The next line; undefined when there will be none. */
  async take(): Promise<PushLine | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#waiting.shift();
  }

  #put(line: PushLine): void {
    // Nobody needs to see how far a layer was when it is further.
    const old = this.#waiting.findIndex(({ id, status }) => id === line.id && status === "Pushing");
    if (old >= 0) this.#waiting.splice(old, 1);
    this.#waiting.push(line);
    this.#wake();
  }
}

/** Runs work that tells its progress, and yields the lines as they come. Ends when the work does, or with its error. */
export async function* linesOf<T>(work: (lines: PushLines) => Promise<T>): AsyncGenerator<PushLine, T> {
  const lines = new PushLines();
  const done = work(lines);
  const ended = done.then(() => lines.end(), () => lines.end());
  for (let next = await lines.take(); next; next = await lines.take()) yield next;
  await ended;
  return await done;
}
