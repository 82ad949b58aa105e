import { ApiError } from "../../../core/support/errors.ts";

/** One archive's part of the budget. */
export interface SpoolShare {
  /** Counts bytes before they are used. Errors: `too-large` when all archives together have too many. */
  take(bytes: number): void;
  /** Called when the archive's files are gone. */
  giveBack(): void;
}

/** What the archives that a job is loading at one time may take on disk, all together. */
export class SpoolBudget {
  readonly #limitBytes: number;
  #takenBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  share(): SpoolShare {
    let mine = 0;
    return {
      take: (bytes) => {
        mine += bytes;
        this.#takenBytes += bytes;
        if (this.#takenBytes > this.#limitBytes) throw this.#refusal(mine);
      },
      giveBack: () => {
        this.#takenBytes -= mine;
        mine = 0;
      },
    };
  }

  #refusal(mine: number): ApiError {
    const what = mine > this.#limitBytes ? "the archive is" : "the archives that are loaded at once are";
    return new ApiError(
      "too-large",
      `${what} larger than ${this.#limitBytes} bytes; raise plugins.images.loadLimitBytes`,
    );
  }
}
