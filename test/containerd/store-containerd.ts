import { mkdtemp, rm } from "node:fs/promises";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { Supervisor, type SupervisorOptions } from "../../plugins/containerd/supervisor.ts";
import { privatePaths } from "../../plugins/containerd/supervisor-config.ts";

/** A directory for a private containerd. Its path is short: sockets lie in it. */
export async function containerdDirectory(undo: Undo): Promise<string> {
  const dir = await mkdtemp("/tmp/berth-ctrd-");
  undo.add(dir, () => rm(dir, { recursive: true }));
  return dir;
}

/** A supervisor of a containerd in that directory, not opened yet, and its connection. */
export function supervisorFor(undo: Undo, dir: string, changes: Partial<SupervisorOptions["settings"]> = {}) {
  const { address, ingest: ingestDir } = privatePaths(dir);
  const connection = new ContainerdConnection({ address, namespace: "berth", ingestDir });
  undo.add("connection", () => connection.close());
  const settings = { binary: "containerd", logLevel: "warn", snapshotter: "overlayfs", ...changes } as const;
  const supervisor = new Supervisor({ dir, settings, log: silent }, connection);
  undo.add("containerd", () => supervisor.close());
  return { supervisor, connection };
}

/** A private containerd that answers, for one test. */
export async function privateContainerd(undo: Undo): Promise<ContainerdConnection> {
  const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  return connection;
}
