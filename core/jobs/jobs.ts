import { type Token, token } from "../kernel/scope.ts";

/** What whoever opens a job asks for. */
export interface JobRequest {
  /** 1–63 of `[a-z0-9_.-]`, starting with a letter or digit. */
  readonly id: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Path of the network namespace that joins the job's network; absolute. */
  readonly callerNetns?: string;
  /** Who may use the Docker socket; default: the daemon's user alone, mode 0600. */
  readonly socket?: { readonly uid?: number; readonly gid?: number; readonly mode?: number };
}

/** A job as operators see it. */
export interface JobInfo {
  readonly id: string;
  readonly state: "opening" | "open" | "closing";
  readonly socketPath: string;
  readonly dir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly openedAt: Date;
  readonly callerNetns?: string;
}

/** Opens and closes jobs. */
export interface Jobs {
  /** Resolves when the socket answers. Errors: `invalid` for a bad request, `conflict` when the id is taken. */
  open(request: JobRequest): Promise<JobInfo>;
  /**
   * Closes a job and all it owns; resolves when nothing is left. Closing a job twice is one close. Errors:
   * `not-found` for an unknown id; UndoFailed naming everything that could not be removed (the job is gone all the same).
   */
  close(id: string): Promise<void>;
  list(): readonly JobInfo[];
  /** Errors: `not-found`. */
  show(id: string): JobInfo;
}

/** Daemon-scoped. */
export const JobsToken: Token<Jobs> = token("core.jobs");
