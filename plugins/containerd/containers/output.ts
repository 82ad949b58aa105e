import type { OutputStream } from "../../../core/support/stdcopy.ts";
import { pause } from "../../../core/support/deadline.ts";
import { messageOf } from "../../../core/support/errors.ts";
import type { Logger } from "../../../core/support/logger.ts";
import {
  openPipeReader,
  openPipeWriter,
  type PipeReader,
  type PipeWriter,
} from "../../../core/support/runtime.ts";
import type { OutputSink } from "../../containers/backend.ts";

/** After the process ended, output that stops coming for so long without an end counts as ended. */
const silenceMs = 3_000;
/** A sink that takes this long for one chunk after the process ended is given up. */
const stuckSinkMs = 60_000;

/** Paths of a task's pipes; empty for those it does not have. */
export interface PipePaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Our ends of a task's pipes: its output goes to a sink, its input comes from here. */
export class TaskPipes {
  readonly paths: PipePaths;
  readonly #readers: PipeReader[] = [];
  readonly #drained: Promise<unknown>;
  readonly #stdin: PipeWriter | undefined;
  readonly #log: Logger;
  readonly #sink: OutputSink;
  #broken = false;
  #closed = false;
  #letGo: () => void = () => {};
  #inSink = 0;
  #lastSign = Date.now();

  /** Opens the pipes and starts to drain them: before the task is created, since its shim waits for a reader. */
  constructor(paths: PipePaths, sink: OutputSink, log: Logger) {
    this.paths = paths;
    const closed = new Promise<void>((resolve) => this.#letGo = resolve);
    this.#sink = sink;
    this.#log = log;
    try {
      if (paths.stdin) this.#stdin = openPipeWriter(paths.stdin);
      this.#drained = Promise.race([this.#drain(), closed]);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  writeStdin(chunk: Uint8Array): Promise<void> {
    return this.#stdin?.write(chunk) ?? Promise.resolve();
  }

  closeStdin(): void {
    this.#stdin?.close();
  }

  /** After the process ended: waits for the rest of its output, but not for ever. Never rejects. */
  async finish(): Promise<void> {
    let done = false;
    const drained = this.#drained.then(() => done = true, () => done = true);
    this.#lastSign = Date.now();
    while (!done && !this.#closed) {
      const limitMs = this.#inSink > 0 ? stuckSinkMs : silenceMs;
      const left = this.#lastSign + limitMs - Date.now();
      if (left <= 0) {
        this.#log.warn({ sinkBusy: this.#inSink > 0 }, "a container's output did not end with it");
        break;
      }
      const stop = new AbortController();
      await Promise.race([drained, pause(left, stop.signal)]);
      stop.abort();
    }
    this.close();
  }

  /** Lets go of all pipes, even while the sink is busy. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#letGo();
    this.#stdin?.close();
    for (const reader of this.#readers) reader.close();
  }

  #drain(): Promise<unknown> {
    const streams: [OutputStream, string][] = [["stdout", this.paths.stdout], ["stderr", this.paths.stderr]];
    return Promise.all(
      streams.filter(([, path]) => path !== "").map(([stream, path]) => {
        const reader = openPipeReader(path);
        this.#readers.push(reader);
        return reader.drain((chunk) => this.#deliver(stream, chunk));
      }),
    );
  }

  #deliver(stream: OutputStream, chunk: Uint8Array): Promise<void> | void {
    this.#lastSign = Date.now();
    if (this.#broken) return;
    try {
      const taken = this.#sink(stream, chunk);
      if (!taken) return;
      this.#inSink++;
      return taken.catch((error) => this.#breakSink(error)).finally(() => {
        this.#inSink--;
        this.#lastSign = Date.now();
      });
    } catch (error) {
      this.#breakSink(error);
    }
  }

  /** A sink that failed gets nothing more; the process must be able to write on. */
  #breakSink(error: unknown): void {
    this.#broken = true;
    this.#log.warn({ error: messageOf(error) }, "a container's output could not be kept");
  }
}
