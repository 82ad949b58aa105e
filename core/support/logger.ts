import { pino } from "pino";

/** Levels from quietest to loudest. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/**
 * A structured log: one JSON object a line on standard error. Fields first, then a short constant message, so
 * that lines can be counted by message.
 */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  /** A logger that puts these fields on every line. */
  child(fields: object): Logger;
}

/** Opens the daemon's log. Written synchronously: the last line before a crash is the one that matters. */
export function openLog(level: LogLevel, fileDescriptor = 2): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: fileDescriptor, sync: true }),
  );
}

/** A logger that says nothing, for tests. */
export const silent: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silent,
};
