import { Code } from "@connectrpc/connect";
import { pause } from "../../../core/support/deadline.ts";
import type { ContainerdConnection } from "../connection.ts";
import { Kind } from "../gen/snapshots_pb.ts";
import { codeOf, isUnavailable, unlessMissing } from "../errors.ts";
import { jobLabel } from "../lease.ts";
import { ownedBy } from "./labels.ts";

/** What removing needs to know of the host. */
export interface RemovalHost {
  readonly connection: ContainerdConnection;
  readonly daemonId: string;
  readonly settings: { readonly snapshotter: string };
}

const sigkill = 9;
const killDeadlineMs = 10_000;
const patienceMs = 10_000;

/** Which of the daemon's containers to remove. */
export interface Selection {
  readonly jobId?: string;
  /** Containers of these jobs stay. */
  readonly keep?: (jobId: string) => boolean;
}

/**
 * Removes every container, running or not, that containerd knows as this daemon's or one job's: what is true is what
 * containerd says, not what this process remembers. Returns how many there were. Waits a while for a containerd
 * that is starting again.
 */
export async function removeOwned(host: RemovalHost, selection: Selection): Promise<number> {
  const owned = await patiently(() => listOwned(host, selection.jobId));
  const ids = [...owned].filter(([, jobId]) => !selection.keep?.(jobId)).map(([id]) => id);
  if (ids.length === 0) return 0;
  const { tasks } = await patiently(() => host.connection.tasks.list({}));
  const withTask = new Set(tasks.map(({ id }) => id));
  const outcomes = await Promise.allSettled(
    ids.map((id) => patiently(() => withTask.has(id) ? removeByForce(host, id) : removeRecords(host, id))),
  );
  const errors = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [outcome.reason as Error] : []
  );
  if (errors.length > 0) throw new AggregateError(errors, errors.map((error) => error.message).join("; "));
  return ids.length;
}

/** Container ids, those of records and of snapshots, with their jobs. */
async function listOwned(host: RemovalHost, jobId?: string): Promise<Map<string, string>> {
  const filters = [ownedBy(host.daemonId, jobId)];
  const owned = new Map<string, string>();
  const { containers } = await host.connection.containers.list({ filters });
  for (const { id, labels } of containers) owned.set(id, labels[jobLabel] ?? "");
  for await (
    const page of host.connection.snapshots.list({ snapshotter: host.settings.snapshotter, filters })
  ) {
    for (const { name, kind, labels } of page.info) {
      // The image store's snapshots have other names and are its own to remove.
      if (kind === Kind.ACTIVE && /^[0-9a-f]{64}$/.test(name)) owned.set(name, labels[jobLabel] ?? "");
    }
  }
  return owned;
}

/** Kills a container's task if it has one, and removes task, record and snapshot. */
export async function removeByForce(host: RemovalHost, id: string): Promise<void> {
  await deleteTask(host.connection, id);
  await removeRecords(host, id);
}

/** Removes the record and the snapshot of a container that has no task. */
export async function removeRecords(host: RemovalHost, id: string): Promise<void> {
  await Promise.all([
    unlessMissing(host.connection.containers.delete({ id })),
    unlessMissing(host.connection.snapshots.remove({ snapshotter: host.settings.snapshotter, key: id })),
  ]);
}

/**
 * Deletes a task; one that still runs is killed first. When two containers of one shim go at the same time, the shim
 * may end before it answered the second deletion: containerd notices and cleans up, so asking again finds it done.
 */
export async function deleteTask(connection: ContainerdConnection, containerId: string): Promise<void> {
  for (const end = Date.now() + killDeadlineMs;;) {
    try {
      await unlessMissing(connection.tasks.delete({ containerId }));
      return;
    } catch (error) {
      // containerd refuses to delete what runs, and reports a shim that is gone, with one code or the other.
      const code = codeOf(error);
      if (code !== Code.FailedPrecondition && code !== Code.Unknown || Date.now() > end) throw error;
      await killTask(connection, containerId).catch(() => {});
      await pause(20);
    }
  }
}

/** Kills all processes of a task and waits for its end. */
async function killTask(connection: ContainerdConnection, containerId: string): Promise<void> {
  await unlessMissing(connection.tasks.kill({ containerId, signal: sigkill, all: true }));
  await unlessMissing(connection.tasks.wait({ containerId }, { timeoutMs: killDeadlineMs }));
}

/** Tries again for a while when containerd does not answer. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + patienceMs;;) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error) || Date.now() > end) throw error;
      await pause(100);
    }
  }
}
