import type { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { isNotFound } from "../../plugins/containerd/errors.ts";

/** Everything that containerd has in the connection's namespace. */
export async function contents({ content, snapshots, leases }: ContainerdConnection) {
  const blobs: string[] = [];
  for await (const { info } of content.list({})) blobs.push(...info.map(({ digest }) => digest));
  const names: string[] = [];
  try {
    for await (const { info } of snapshots.list({ snapshotter: "overlayfs" })) {
      names.push(...info.map(({ name }) => name));
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const held = (await leases.list({})).leases.map(({ id }) => id);
  const writes = (await content.listStatuses({})).statuses.map(({ ref }) => ref);
  return { blobs: blobs.sort(), snapshots: names.sort(), leases: held.sort(), writes };
}
