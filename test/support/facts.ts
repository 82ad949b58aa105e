import type { DaemonFacts } from "../../core/kernel/plugin.ts";
import { silent } from "../../core/support/logger.ts";

/** Facts of a daemon that does not exist, for tests of what depends on them. */
export const facts = (parts: Partial<DaemonFacts> = {}): DaemonFacts => ({
  version: "0.0.0",
  runtime: "test",
  dataDir: "/nonexistent",
  id: "testtest",
  startedAt: new Date(0),
  log: silent,
  liveJobs: () => [],
  ...parts,
});
