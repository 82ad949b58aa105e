/** Lets so many pieces of work run at once; the others wait their turn, first come first served. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param atOnce 1 makes it a mutex */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Runs the work when its turn comes; the outcome is the work's. */
  async run<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // A turn goes straight to the next one, so that nobody overtakes.
      if (next) next();
      else this.#free++;
    }
  }
}
