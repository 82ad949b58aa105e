import { jobLabel } from "../lease.ts";

/** Label of everything a daemon made: the daemon's id. The job's is {@link jobLabel}. */
const daemonLabel = "berth/daemon";

/** Keeps an object from garbage collection until it is removed by name. Source: containerd, garbage collection. */
const rootLabel = "containerd.io/gc.root";

/** The labels of one job's objects. */
export function ownerLabels(daemonId: string, jobId: string): Record<string, string> {
  return { [daemonLabel]: daemonId, [jobLabel]: jobId };
}

/** The labels of a snapshot of a job: nothing refers to it until its container starts. */
export function snapshotLabels(daemonId: string, jobId: string): Record<string, string> {
  return { ...ownerLabels(daemonId, jobId), [rootLabel]: new Date().toISOString() };
}

/** A containerd filter for what a daemon made, or what it made for one job. */
export function ownedBy(daemonId: string, jobId?: string): string {
  const ours = `labels.${JSON.stringify(daemonLabel)}==${JSON.stringify(daemonId)}`;
  return jobId === undefined ? ours : `${ours},labels.${JSON.stringify(jobLabel)}==${JSON.stringify(jobId)}`;
}
