const passedOn: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];
/** What a terminal sends to every process of the foreground group by itself. */
const fromTerminal: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];

/** The signals that end other programs: here they are passed on to the command, and the cleaning up goes on. */
export class Signals {
  /** The first one that arrived. */
  first: NodeJS.Signals | undefined;
  readonly #abort = new AbortController();
  #receiver: ((signal: NodeJS.Signals) => void) | undefined;
  readonly #listeners = passedOn.map((signal) => ({ signal, listener: () => this.#receive(signal) }));

  constructor() {
    for (const { signal, listener } of this.#listeners) process.on(signal, listener);
  }

  /** Fires with the first signal that finds no command to pass it to. */
  get aborted(): AbortSignal {
    return this.#abort.signal;
  }

  /** Says who gets the signals from now on; undefined: nobody, they end what is going on. */
  passTo(receiver: ((signal: NodeJS.Signals) => void) | undefined): void {
    this.#receiver = receiver;
  }

  /** Stops listening: signals do again what they do by default. */
  release(): void {
    for (const { signal, listener } of this.#listeners) process.off(signal, listener);
  }

  #receive(signal: NodeJS.Signals): void {
    this.first ??= signal;
    if (!this.#receiver) return this.#abort.abort(new Error(`interrupted by ${signal}`));
    // The command shares the terminal and has had this one already; twice means "at once" to many programs.
    if (process.stdin.isTTY && fromTerminal.includes(signal)) return;
    this.#receiver(signal);
  }
}
