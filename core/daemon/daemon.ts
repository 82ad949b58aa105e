import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { findConflicts, RouteTable } from "../http/route-table.ts";
import { JobManager } from "../jobs/job-manager.ts";
import { type Jobs, JobsToken } from "../jobs/jobs.ts";
import { type BuiltInTable, loadPlugin, PluginError } from "../kernel/loader.ts";
import { type PlannedPlugin, planPlugins } from "../kernel/plan.ts";
import type { DaemonFacts } from "../kernel/plugin.ts";
import { type AbsentPlugin, PluginHost } from "../kernel/plugin-host.ts";
import { Scope } from "../kernel/scope.ts";
import { DaemonToken, JobToken, type PluginDirectory, PluginDirectoryToken } from "../kernel/tokens.ts";
import { version } from "../support/about.ts";
import type { Logger } from "../support/logger.ts";
import { runtimeTitle } from "../support/runtime.ts";
import { messageOf } from "../support/errors.ts";
import { Undo } from "../support/undo.ts";
import type { Config } from "./config.ts";
import { lockDataDir } from "./data-dir-lock.ts";

/** Time that closing all jobs may take when the daemon stops, in milliseconds. */
const closeJobsDeadlineMs = 180_000;
/** Time that all daemon-wide objects together may take to close, in milliseconds. */
const closeScopeDeadlineMs = 120_000;

/** What an embedder, or `berth serve`, starts. */
export interface DaemonOptions {
  readonly config: Config;
  /** The plugins that can be enabled by name. */
  readonly builtIns: BuiltInTable;
  readonly log: Logger;
}

/**
 * One daemon. Its start, in order: lock the data directory, load the enabled plugins, plan them (everything that can
 * be checked is checked here), start them, build and open what they bind, close what a killed daemon left behind.
 * `stop` closes all jobs, then the plugins' objects newest first.
 */
export class Daemon {
  readonly facts: DaemonFacts;
  readonly jobs: Jobs;
  readonly plugins: PluginDirectory;
  readonly #options: DaemonOptions;
  readonly #manager: JobManager;
  readonly #host: PluginHost;
  readonly #scope = Scope.daemon();
  readonly #undo = new Undo("daemon");
  #table: RouteTable | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    const { config, log } = options;
    this.facts = {
      version,
      runtime: runtimeTitle,
      dataDir: config.dataDir,
      id: daemonId(config.dataDir),
      startedAt: new Date(),
      log,
      liveJobs: () => this.#manager.list().map(({ id }) => id),
    };
    this.plugins = this.#host = new PluginHost(this.facts, disabledPlugins(config));
    this.jobs = this.#manager = new JobManager({
      facts: this.facts,
      scope: this.#scope,
      bindJob: (scope, job) => this.#host.bindJob(scope, job),
      table: () => this.#routeTable(),
      limits: config.http,
      drainMs: config.jobs.drainMs,
    });
  }

  /** Resolves when jobs can be opened. When anything fails, what was started is stopped and the error thrown. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.stop().catch((failed) =>
        this.facts.log.error({ error: String(failed) }, "daemon could not be undone")
      );
      throw error;
    }
  }

  /** Closes everything; idempotent. Throws all failures together, after having tried everything. */
  stop(): Promise<void> {
    return this.#undo.run();
  }

  async #start(): Promise<void> {
    const { dataDir } = this.facts;
    await mkdir(dataDir, { recursive: true, mode: 0o711 });
    this.#undo.add("data directory lock", await lockDataDir(dataDir));
    const planned = await this.#plan();
    this.#scope.bind(DaemonToken, { value: this.facts });
    this.#scope.bind(PluginDirectoryToken, { value: this.#host });
    this.#scope.bind(JobsToken, { value: this.#manager });
    await this.#manager.findAbandoned();
    this.#undo.add("plugins", () => this.#scope.close(), closeScopeDeadlineMs);
    await this.#host.start(planned, this.#scope);
    this.#table = new RouteTable(this.#host.routes(), this.#host.unserved());
    this.#undo.add("jobs", () => this.#manager.closeAll(), closeJobsDeadlineMs);
    await this.#manager.recover();
  }

  async #plan(): Promise<PlannedPlugin[]> {
    const { config, builtIns } = this.#options;
    const loaded = [];
    for (const table of config.plugins.filter(({ enabled }) => enabled)) {
      try {
        loaded.push({ table, plugin: await loadPlugin(table, builtIns, config.directory) });
      } catch (error) {
        if (!table.optional) throw error;
        this.#host.setAside(table.id, messageOf(error));
      }
    }
    const planned = planPlugins(loaded, [DaemonToken, PluginDirectoryToken, JobsToken, JobToken]);
    refuseConflicts(planned);
    return planned;
  }

  #routeTable(): RouteTable {
    if (!this.#table) throw new Error("a job was opened before the daemon started");
    return this.#table;
  }
}

/** Makes a daemon; nothing happens until it is started. */
export const createDaemon = (options: DaemonOptions): Daemon => new Daemon(options);

function refuseConflicts(planned: readonly PlannedPlugin[]): void {
  const routes = planned.flatMap(({ plugin }) =>
    (plugin.routes ?? []).map((route) => ({ plugin: plugin.id, route }))
  );
  const [conflict] = findConflicts(routes);
  if (conflict) throw new PluginError(conflict.plugin, "load", new Error(conflict.problem));
}

function disabledPlugins(config: Config): AbsentPlugin[] {
  return config.plugins.filter(({ enabled }) => !enabled).map(({ id }) => ({
    id,
    summary: "",
    state: "disabled",
    reason: `it is disabled: set enabled = true in [plugins.${id}]`,
    routes: [],
  }));
}

/** The short id of the daemon in this data directory. Base 32 keeps every character usable in interface and cgroup names. */
export function daemonId(dataDir: string): string {
  const digest = createHash("sha256").update(dataDir).digest();
  return [...digest.subarray(0, 8)].map((byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte & 31]).join("");
}
