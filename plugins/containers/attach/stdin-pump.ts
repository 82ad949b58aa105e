import type { RunningContainer } from "../backend.ts";
import type { Container } from "../model/container.ts";
import { DetachKeys } from "../model/detach-keys.ts";

/** Carries what one client sends to the standard input of one run of a container. */
export class StdinPump {
  readonly #container: Container;
  readonly #run: number;
  readonly #detachKeys: DetachKeys | undefined;
  readonly #signal: AbortSignal;
  #process: RunningContainer | undefined;

  /** @param run the container's run that the input is for; input waits for it */
  constructor(container: Container, run: number, detachKeys: readonly number[], signal: AbortSignal) {
    this.#container = container;
    this.#run = run;
    this.#detachKeys = container.facts.config.Tty ? new DetachKeys(detachKeys) : undefined;
    this.#signal = signal;
  }

  /**
   * Takes the input to its end; never rejects. True when the session ends with it: the client detached, or its end is
   * not the container's. Source: moby, `stream.Config.CopyStreams`.
   */
  async run(input: AsyncIterable<Uint8Array>): Promise<boolean> {
    const { StdinOnce, Tty } = this.#container.facts.config;
    if (await this.#pass(input).catch(() => false)) return true;
    if (!StdinOnce || Tty) return true;
    await (await this.#target())?.closeStdin().catch(() => {});
    return false;
  }

  /** True when the detach keys came. */
  async #pass(input: AsyncIterable<Uint8Array>): Promise<boolean> {
    for await (const chunk of input) {
      const { pass, detached } = this.#detachKeys?.feed(chunk) ?? { pass: chunk, detached: false };
      // One chunk is held until the process is there; the rest waits in the client.
      if (pass.length > 0) await this.#write(pass);
      if (detached) return true;
    }
    return false;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    if (this.#container.facts.config.OpenStdin) await (await this.#target())?.writeStdin(chunk);
  }

  /** The process of the run; undefined when it ended, never came to be, or nobody is interested any more. */
  async #target(): Promise<RunningContainer | undefined> {
    const { log } = this.#container;
    while (!this.#process) {
      if (log.run === this.#run && this.#container.running) this.#process = this.#container.running;
      else if (this.#mayCome()) await log.changes.next(this.#signal);
      else break;
    }
    return this.#process;
  }

  #mayCome(): boolean {
    const { log } = this.#container;
    if (this.#signal.aborted || log.retired || log.closed) return false;
    return log.run < this.#run || (log.run === this.#run && log.running);
  }
}
