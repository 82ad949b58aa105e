/** Progress of layers as Docker's JSON lines. */
import type { Descriptor, IngestObserver, LayerProgress } from "./backend.ts";
import { progressBar } from "./progress-bar.ts";

/** At most one line of bytes per layer in this time, in milliseconds. */
const betweenLinesMs = 100;

/** A line for the client: `{"status":"Downloading","progressDetail":{…},"id":"…"}`. */
export type ProgressLine = {
  readonly status: string;
  readonly progressDetail: { readonly current?: number; readonly total?: number };
  /** The bar as text, for clients that do not draw one from the numbers. */
  readonly progress?: string;
  /** Left out where there is nothing to tell apart. */
  readonly id?: string;
};

const pullTexts: Readonly<Record<LayerProgress["state"], string>> = {
  waiting: "Pulling fs layer",
  queued: "Waiting",
  downloading: "Downloading",
  verifying: "Verifying Checksum",
  downloaded: "Download complete",
  extracting: "Extracting",
  done: "Pull complete",
  exists: "Already exists",
};

/** The start of a digest's hex part, as Docker shows it. */
export const shortDigest = (digest: string) => digest.slice(digest.indexOf(":") + 1).slice(0, 12);

/** Lines of `docker pull`; undefined for an extraction that has only begun, of which Docker tells nothing. */
export function pullLine(layer: Descriptor, progress: LayerProgress): ProgressLine | undefined {
  if (progress.state === "extracting" && progress.current === 0) return undefined;
  return { status: pullTexts[progress.state], ...detail(progress), id: shortDigest(layer.digest) };
}

/**
 * Lines of `docker load`: how much of a layer was taken in, and at last that it is unpacked. Undefined for states that it
 * does not show.
 */
export const loadLine = (layer: Descriptor, progress: LayerProgress): ProgressLine | undefined =>
  progress.state === "downloading" || progress.state === "extracting" && progress.current === progress.total
    ? { status: "Loading layer", ...detail(progress), id: shortDigest(layer.digest) }
    : undefined;

/** Lines of `docker import` with a URL: there is one download and nothing that would name it. */
export const importLine = (_: Descriptor, progress: LayerProgress): ProgressLine => ({
  status: "Importing",
  ...detail(progress),
});

/** Nothing is said of a zero, as with Docker. */
function detail(progress: LayerProgress): Pick<ProgressLine, "progressDetail" | "progress"> {
  if (!("current" in progress)) return { progressDetail: {} };
  const { current, total } = progress;
  const bar = progressBar(current, total);
  return {
    progressDetail: { ...(current > 0 && { current }), ...(total > 0 && { total }) },
    ...(bar && { progress: bar }),
  };
}

/**
 * Runs work that reports progress and yields its lines as they come. A slow client holds nothing up: of one layer's
 * waiting byte counts only the newest is kept. The lines end when the work does, or with its error.
 */
export async function* progressOf<T>(
  work: (observe: IngestObserver) => Promise<T>,
  lineOf: (layer: Descriptor, progress: LayerProgress) => ProgressLine | undefined,
): AsyncGenerator<ProgressLine, T> {
  const lines = new LineQueue();
  const present = new Set<string>();
  const done = work((layer, progress) => {
    if (progress.state === "exists") present.add(layer.digest);
    // To a client a layer that was there is not one that was pulled as well.
    if (progress.state === "done" && present.has(layer.digest)) return;
    const line = lineOf(layer, progress);
    if (line) lines.put(line, "current" in progress && progress.current < progress.total);
  });
  const ended = done.then(() => lines.end(), () => lines.end());
  for (;;) {
    const next = await lines.take();
    if (!next) break;
    yield next;
  }
  await ended;
  return await done;
}

class LineQueue {
  #waiting: { line: ProgressLine; replaceable: boolean }[] = [];
  readonly #shownAt = new Map<string, number>();
  #ended = false;
  #wake: () => void = () => {};

  put(line: ProgressLine, replaceable: boolean): void {
    if (replaceable && this.#isTooSoon(line)) return;
    const last = this.#waiting.findIndex((each) =>
      each.replaceable && each.line.id === line.id && each.line.status === line.status
    );
    if (last >= 0) this.#waiting.splice(last, 1);
    this.#waiting.push({ line, replaceable });
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async take(): Promise<ProgressLine | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#waiting.shift()?.line;
  }

  #isTooSoon({ id, status }: ProgressLine): boolean {
    const now = Date.now();
    const key = `${id} ${status}`;
    if (now - (this.#shownAt.get(key) ?? 0) < betweenLinesMs) return true;
    this.#shownAt.set(key, now);
    return false;
  }
}
