import { unavailable } from "../../core/support/errors.ts";

/** How a pool comes to its items and gets rid of them. */
export interface WarmSource<T> {
  make(): Promise<T>;
  destroy(item: T): Promise<void>;
  /** Told what went wrong with work that nobody waits for. */
  failed(error: unknown): void;
}

/** How many items all pools of a daemon may keep idle together. */
export class IdleBudget {
  #left: number;

  constructor(total: number) {
    this.#left = total;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** True when one more may be kept. */
  take(): boolean {
    if (this.isSpent) return false;
    this.#left--;
    return true;
  }

  giveBack(count = 1): void {
    this.#left += count;
  }
}

/**
 * Items that take a while to make, lent and taken back. First in, first out, so that what was given back is lent
 * again as late as can be.
 */
export class WarmPool<T> {
  readonly #source: WarmSource<T>;
  readonly #limit: number;
  readonly #budget: IdleBudget;
  readonly #ready: T[] = [];
  readonly #waiting: { resolve: (item: T) => void; reject: (error: unknown) => void }[] = [];
  readonly #working = new Set<Promise<void>>();
  #making = 0;
  #expected = 0;
  #closed = false;

  /** @param limit how many items this pool keeps idle */
  constructor(source: WarmSource<T>, limit: number, budget: IdleBudget) {
    this.#source = source;
    this.#limit = limit;
    this.#budget = budget;
  }

  /** Says that a lend is to be expected; makes an item in the background unless one is there for it. */
  prepare(): void {
    if (this.#closed) return;
    this.#expected = Math.min(this.#expected + 1, this.#limit);
    const coming = this.#ready.length + this.#making - this.#waiting.length;
    if (coming < this.#expected && !this.#budget.isSpent) this.#make();
  }

  /** Lends the item that has been idle longest, at once; makes one when none is ready. */
  lend(): Promise<T> {
    if (this.#closed) {
      return Promise.reject(unavailable("the job is closing: its network takes nobody any more"));
    }
    this.#expected = Math.max(this.#expected - 1, 0);
    const item = this.#ready.shift();
    if (item !== undefined) {
      this.#budget.giveBack();
      return Promise.resolve(item);
    }
    const lent = new Promise<T>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    if (this.#making < this.#waiting.length) this.#make();
    return lent;
  }

  /** Takes an item back, for whoever waits or for later; what is too much is destroyed in the background. */
  giveBack(item: T): void {
    if (this.#closed) return;
    const next = this.#waiting.shift();
    if (next) next.resolve(item);
    else if (this.#ready.length < this.#limit && this.#budget.take()) this.#ready.push(item);
    else this.#inBackground(this.#source.destroy(item));
  }

  /** Lends nothing any more and waits until nothing is being made. The items are whoever closes it's to remove. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(unavailable("the job is closing"));
    this.#budget.giveBack(this.#ready.splice(0).length);
    await Promise.all(this.#working);
  }

  #make(): void {
    this.#making++;
    this.#inBackground(
      this.#source.make().then((item) => {
        this.#making--;
        this.giveBack(item);
      }, (error) => {
        this.#making--;
        const next = this.#waiting.shift();
        if (!next) throw error;
        next.reject(error);
      }),
    );
  }

  #inBackground(work: Promise<void>): void {
    const watched: Promise<void> = work.catch((error) => this.#closed || this.#source.failed(error))
      .then(() => {
        this.#working.delete(watched);
      });
    this.#working.add(watched);
  }
}
