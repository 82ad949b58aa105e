import type { DaemonFacts, Description, PluginStatus } from "./plugin.ts";
import { type Token, token } from "./scope.ts";

export { JobToken } from "./job.ts";

/** Facts about the daemon, in the daemon's scope. */
export const DaemonToken: Token<DaemonFacts> = token("core.daemon");

/** What is known of every plugin, running or not. */
export interface PluginDirectory {
  list(): readonly PluginStatus[];
  /** Asks every running plugin to describe itself. One that fails is described by its error as a warning. */
  describe(): Promise<readonly (Description & { id: string })[]>;
}

export const PluginDirectoryToken: Token<PluginDirectory> = token("core.plugins");
