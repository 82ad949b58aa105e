import type { TObject, TSchema } from "typebox";
import type { Logger } from "../support/logger.ts";
import type { Job } from "./job.ts";
import type { Route } from "./route.ts";
import type { Binder, Scope, Token } from "./scope.ts";

/** The version of this contract. A plugin made for another one is refused before anything starts. */
export const contractVersion = 1;

/** Answer of {@link Plugin.start}: this host cannot run the plugin, and why. Its routes answer 501 with the reason. */
export interface Skip {
  readonly skip: string;
}

/** What a plugin says of itself while it runs: `/version` Components and `/info` Warnings. */
export interface Description {
  /** The engine's version, `1.6.20`. */
  readonly version?: string;
  /** More facts for `/version` Components' Details, all strings as there. */
  readonly details?: Readonly<Record<string, string>>;
  /** Sentences for `/info` Warnings. */
  readonly warnings?: readonly string[];
}

/** What the kernel hands to every step of a plugin's life. */
export interface PluginContext<Settings> {
  /** The plugin's table of the config file, checked against its schema, defaults filled in. */
  readonly settings: Settings;
  readonly log: Logger;
  readonly daemon: DaemonFacts;
}

/** Facts about the daemon that never change while it runs. Bound in the daemon scope as `DaemonToken`. */
export interface DaemonFacts {
  /** Berth's version, `0.1.0`. */
  readonly version: string;
  /** `node 20.20.2` or `deno 2.9.6`. */
  readonly runtime: string;
  /** Absolute; everything the daemon keeps lies under it. */
  readonly dataDir: string;
  /**
   * Eight characters of `[a-z2-7]` made from the data directory's path: tells the kernel objects of two daemons on
   * one host apart, and is the same after a restart.
   */
  readonly id: string;
  readonly startedAt: Date;
  readonly log: Logger;
  /** Ids of the jobs that are open now or being closed. */
  readonly liveJobs: () => readonly string[];
}

/**
 * One plugin. A module default-exports one of these and does nothing on import; decorators are not needed, so that
 * plain JavaScript can be one. Its life, in order:
 *
 * 1. *plan*: contract number, settings, requires/provides, routes are checked; nothing of the plugin runs but
 *    `configure`. Whatever is wrong stops the boot and names the plugin.
 * 2. *start*: may look at the host and prepare it, or skip with a reason.
 * 3. *daemon*: declares daemon-scoped bindings. After all plugins did, objects are built and opened in order.
 * 4. *job*, once for each job that opens: declares job-scoped bindings, built and opened likewise. A job that closes
 *    closes them, newest first; then the daemon that stops does the same with its own.
 */
export interface Plugin<Settings = unknown> {
  /** The folder's name and the config table's: `[plugins.<id>]`. */
  readonly id: string;
  readonly contract: number;
  /** One line for `berth plugins` and the docs. */
  readonly summary: string;
  /** The tokens that `daemon` and `job` bind for others. Two enabled plugins that provide one token are an error. */
  readonly provides?: readonly Token<unknown>[];
  /** The tokens it takes from others: missing ones stop the boot. */
  readonly requires?: readonly Token<unknown>[];
  /** The tokens it uses when somebody provides them: orders the start and no more. */
  readonly wants?: readonly Token<unknown>[];
  /** JSON schema of the settings, an object type with `additionalProperties: false`; defaults and docs come from it. */
  readonly settings?: TObject | TSchema | object;
  /** Further checks on settings that passed the schema; pure. Throws an Error whose message starts with the key. */
  configure?(settings: Settings): Settings;
  readonly routes?: readonly Route[];
  start?(context: PluginContext<Settings>): Promise<void | Skip> | void | Skip;
  daemon?(scope: Binder, context: PluginContext<Settings>): void;
  job?(scope: Binder, context: PluginContext<Settings>, job: Job): void;
  describe?(scope: Scope): Promise<Description> | Description;
}

/** Writes a plugin with its settings' type checked; returns it unchanged. */
export function definePlugin<Settings>(plugin: Plugin<Settings>): Plugin<Settings> {
  return plugin;
}

/** How a plugin that was asked for is doing. */
export interface PluginStatus {
  readonly id: string;
  readonly summary: string;
  readonly state: "running" | "skipped" | "disabled" | "failed";
  /** Why it does not run. */
  readonly reason?: string;
  readonly routes: readonly Pick<Route, "method" | "path">[];
}
