import { messageOf } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";

/**
 * Listens for what nobody caught, which would end the process and with it every job. A promise that failed with
 * nobody listening concerns whoever made it: it is logged, and the daemon goes on. A throw out of an event or a timer
 * left something half done, nobody knows what: it is logged, and the daemon is to stop in order.
 *
 * @param stop called after the first throw; the process's exit code is 1 from then on
 * @returns how to stop listening
 */
export function watchFaults(log: Logger, stop: () => void): () => void {
  const onRejection = (error: unknown) =>
    log.error(fieldsOf(error), "a promise failed with nobody listening");
  const onException = (error: unknown) => {
    log.error(fieldsOf(error), "an error that nobody caught: stopping");
    process.exitCode = 1;
    stop();
  };
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  return () => {
    process.off("unhandledRejection", onRejection);
    process.off("uncaughtException", onException);
  };
}

const fieldsOf = (error: unknown) => ({
  error: messageOf(error),
  stack: error instanceof Error ? error.stack : undefined,
});
