import type { Logger } from "../support/logger.ts";
import { type Token, token } from "./scope.ts";

/** One job, as plugins see it: bound in every job scope as {@link JobToken}. */
export interface Job {
  /** Chosen by whoever opened it: 1–63 of `[a-z0-9_.-]`, starting with a letter or digit. */
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The job's state directory, 0700, there before plugins open and removed after they closed. */
  readonly dir: string;
  /** The Docker socket's path. */
  readonly socketPath: string;
  readonly openedAt: Date;
  /** Fires when the job starts to close. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /**
   * The network namespace of whoever runs the job, a path such as `/proc/123/ns/net`, when they asked to join the
   * job's network. Valid while the job opens; whoever needs it later keeps a hold of their own.
   */
  readonly callerNetns?: string;
  /**
   * True for a job that a killed daemon left behind: it is opened only to be closed, so that everything it owned
   * goes. Objects load their durable state and start nothing.
   */
  readonly abandoned: boolean;
}

export const JobToken: Token<Job> = token("core.job");
