import { constants } from "node:os";

/** The exit code of a process that a signal ended, as shells report it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
