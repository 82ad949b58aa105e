import { mkdir } from "node:fs/promises";
import type { HttpLimits } from "../http/limits.ts";
import type { RouteTable } from "../http/route-table.ts";
import { type ApiServer, serveApi } from "../http/server.ts";
import type { Job } from "../kernel/job.ts";
import { JobToken } from "../kernel/job.ts";
import type { DaemonFacts } from "../kernel/plugin.ts";
import type { Scope } from "../kernel/scope.ts";
import { Undo } from "../support/undo.ts";
import {
  claimJobRoot,
  createJobState,
  type JobPaths,
  jobPaths,
  type JobRecord,
  removeJobState,
} from "./job-state.ts";

/** What every job of a daemon is made with. */
export interface JobGround {
  readonly facts: DaemonFacts;
  readonly scope: Scope;
  /** Declares the plugins' bindings in a job's scope. */
  readonly bindJob: (scope: Scope, job: Job) => void;
  readonly table: () => RouteTable;
  readonly limits: HttpLimits;
  /** How long running requests may take to end when a job closes, in milliseconds. */
  readonly drainMs: number;
}

/** Time that all of a job's objects together may take to close, in milliseconds. */
const scopeDeadlineMs = 120_000;

/**
 * One job with everything it owns. Closing goes in the reverse of opening: stop accepting, abort, drain, then the
 * plugins' objects newest first (containers before networks before images), then the state directory.
 */
export class OpenJob {
  readonly record: JobRecord;
  readonly paths: JobPaths;
  readonly #ground: JobGround;
  readonly #closing = new AbortController();
  readonly #undo: Undo;

  constructor(ground: JobGround, record: JobRecord) {
    this.#ground = ground;
    this.record = record;
    this.paths = jobPaths(ground.facts.dataDir, record.request.id);
    this.#undo = new Undo(`job ${record.request.id}`);
  }

  /** Opens a new job; when anything fails, what was made is undone and the first error thrown. */
  async open(): Promise<void> {
    try {
      await claimJobRoot(this.paths);
      this.#undo.add("state directory", () => removeJobState(this.paths));
      await createJobState(this.paths, this.record);
      const scope = await this.#openScope(false);
      await this.#serve(scope);
    } catch (error) {
      await this.#undo.run().catch((failed) =>
        this.#log.error({ error: String(failed) }, "job could not be undone")
      );
      throw error;
    }
  }

  /** Takes over what a killed daemon left of a job, only so that {@link close} can remove it. */
  async adopt(): Promise<void> {
    this.#undo.add("state directory", () => removeJobState(this.paths));
    await mkdir(this.paths.state, { recursive: true, mode: 0o700 });
    await this.#openScope(true);
  }

  /** Closes everything; idempotent. Throws all failures together, after having tried everything. */
  close(): Promise<void> {
    return this.#undo.run();
  }

  get #log() {
    return this.#ground.facts.log.child({ job: this.record.request.id });
  }

  async #openScope(abandoned: boolean): Promise<Scope> {
    const { request, openedAt } = this.record;
    const job: Job = {
      id: request.id,
      labels: request.labels ?? {},
      dir: this.paths.state,
      socketPath: this.paths.socket,
      openedAt: new Date(openedAt),
      signal: this.#closing.signal,
      log: this.#log,
      callerNetns: request.callerNetns,
      abandoned,
    };
    const scope = this.#ground.scope.job(job.id);
    scope.bind(JobToken, { value: job });
    this.#ground.bindJob(scope, job);
    this.#undo.add("plugins", () => scope.close(), scopeDeadlineMs);
    await scope.open();
    return scope;
  }

  async #serve(scope: Scope): Promise<void> {
    const { facts, table, limits, drainMs } = this.#ground;
    const server = await serveApi({
      socketPath: this.paths.socket,
      ...this.record.request.socket,
      table: table(),
      handlers: (token) => scope.get(token),
      limits,
      signal: this.#closing.signal,
      log: this.#log,
      serverHeader: `Berth/${facts.version} (linux)`,
    });
    this.#undo.add("socket", () => this.#stopServing(server, drainMs), drainMs + 5_000);
  }

  async #stopServing(server: ApiServer, drainMs: number): Promise<void> {
    // Stops accepting first, so that nothing starts after the signal; the signal ends what waits.
    const drained = server.close(drainMs);
    this.#closing.abort(new Error("the job is closing"));
    await drained;
  }
}
