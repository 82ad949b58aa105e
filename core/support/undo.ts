import { within } from "./deadline.ts";
import { messageOf } from "./errors.ts";

type Step = { what: string; run: () => unknown; timeoutMs: number | (() => number) };

/** Steps of {@link Undo.run} that failed: every one of them, each named. */
export class UndoFailed extends AggregateError {
  constructor(what: string, errors: Error[]) {
    super(errors, `${what}: ${errors.map((error) => error.message).join("; ")}`);
    this.name = "UndoFailed";
  }
}

/**
 * A stack of undo steps. Whoever creates a resource registers its undo on the next line; the stack runs them
 * last first, each with a deadline, goes on after a failure, and reports everything that failed.
 */
export class Undo {
  readonly #what: string;
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;

  /** @param what names the whole in error texts, `job j1` */
  constructor(what: string) {
    this.#what = what;
  }

  /**
   * Registers one step.
   *
   * @param what names the resource, `network of job j1`
   * @param timeoutMs how long the step may take before it counts as failed; default 15 s. A function is asked when
   * the step begins
   */
  add(what: string, run: () => unknown, timeoutMs: number | (() => number) = 15_000): void {
    if (this.#running) {
      throw new Error(`${this.#what}: "${what}" was created while everything was being undone`);
    }
    this.#steps.push({ what, run, timeoutMs });
  }

  /** Forgets every step: the resources have a new owner. */
  release(): void {
    this.#steps.length = 0;
  }

  /** Runs all steps, newest first. Idempotent: later calls share the first one's outcome. */
  run(): Promise<void> {
    return this.#running ??= this.#runAll();
  }

  async #runAll(): Promise<void> {
    const errors: Error[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        const timeoutMs = typeof step.timeoutMs === "function" ? step.timeoutMs() : step.timeoutMs;
        await within(step.what, timeoutMs, step.run() as PromiseLike<unknown>);
      } catch (error) {
        errors.push(new Error(`${step.what}: ${messageOf(error)}`, { cause: error }));
      }
    }
    if (errors.length > 0) throw new UndoFailed(this.#what, errors);
  }
}
