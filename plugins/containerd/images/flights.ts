import { abortable } from "../../../core/support/deadline.ts";
import type { LayerProgress } from "../../images/backend.ts";

export type ProgressListener = (progress: LayerProgress) => void;

interface Flight {
  readonly listeners: Set<ProgressListener>;
  /** Settles when the work ended, however it ended. */
  readonly ended: Promise<unknown>;
}

/** Work that is done once at a time for each key, with everybody who wants it done hearing of its progress. */
export class Flights {
  readonly #underWay = new Map<string, Flight>();

  /**
   * Does the work and returns true; or waits while somebody else does it, and returns false when that ended: well
   * or badly, so look again. Rejects with what the work threw, or the signal's reason while waiting.
   */
  async join(
    key: string,
    listener: ProgressListener,
    signal: AbortSignal,
    work: (report: ProgressListener) => Promise<void>,
  ): Promise<boolean> {
    const flight = this.#underWay.get(key);
    if (!flight) {
      await this.#lead(key, listener, work);
      return true;
    }
    flight.listeners.add(listener);
    try {
      await abortable(flight.ended, signal);
      return false;
    } finally {
      flight.listeners.delete(listener);
    }
  }

  async #lead(
    key: string,
    listener: ProgressListener,
    work: (report: ProgressListener) => Promise<void>,
  ): Promise<void> {
    const listeners = new Set([listener]);
    const working = work((progress) => listeners.forEach((each) => each(progress)));
    this.#underWay.set(key, { listeners, ended: working.catch(() => {}) });
    try {
      await working;
    } finally {
      this.#underWay.delete(key);
    }
  }
}
