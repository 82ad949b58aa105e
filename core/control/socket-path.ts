import { join } from "node:path";

/** Where a daemon lives when nobody says otherwise. */
export const defaultDataDir = "/var/lib/berth";

/** The control socket of the daemon that lives in this data directory. */
export function controlSocketPath(dataDir: string): string {
  return join(dataDir, "control.sock");
}
