/** What a containerd holds, seen through its own API. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { Kind } from "../../plugins/containerd/gen/snapshots_pb.ts";
import { privatePaths } from "../../plugins/containerd/supervisor-config.ts";

/** The lease that keeps images which no job holds, for the next job. It is meant to stay. */
const cacheLease = "berth-cache";
/** The leases that are nobody's: the cache's, and that of preloaded images, which the cache lists too. */
const lasting: readonly string[] = [cacheLease, "berth-preload"];
const snapshotter = "overlayfs";
const snapshotType = `snapshots/${snapshotter}`;

/**
 * What the private containerd of a data directory holds, one line each: containers, tasks, leases, unfinished
 * ingests, snapshots, blobs. Left out is the cache: its lease, and the blobs and committed snapshots that the lease
 * keeps. Nothing when no containerd listens there.
 */
export async function engineThings(dataDir: string): Promise<string[]> {
  const { address } = privatePaths(join(dataDir, "containerd"));
  if (!existsSync(address)) return [];
  const connection = new ContainerdConnection({ address, namespace: "berth" });
  try {
    return (await Promise.all([tasksAndContainers(connection), leases(connection), content(connection)]))
      .flat();
  } finally {
    connection.close();
  }
}

async function tasksAndContainers({ containers, tasks }: ContainerdConnection): Promise<string[]> {
  return [
    ...(await containers.list({})).containers.map(({ id }) => `container: ${id}`),
    ...(await tasks.list({})).tasks.map(({ id }) => `task: ${id}`),
  ];
}

async function leases({ leases }: ContainerdConnection): Promise<string[]> {
  const { leases: all } = await leases.list({});
  return all.filter(({ id }) => !lasting.includes(id)).map(({ id }) => `lease: ${id}`);
}

async function content(connection: ContainerdConnection): Promise<string[]> {
  const [unfinished, blobs, snapshots] = await Promise.all([
    connection.content.listStatuses({}),
    listBlobs(connection),
    listSnapshots(connection),
  ]);
  const kept = await keptByCache(connection, blobs, snapshots);
  return [
    ...unfinished.statuses.map(({ ref }) => `ingest: ${ref}`),
    ...[...blobs.keys()].filter((digest) => !kept.has(digest)).map((digest) => `blob: ${digest}`),
    ...[...snapshots].filter(([name]) => !kept.has(name))
      .map(([name, { kind }]) => `${Kind[kind].toLowerCase()} snapshot: ${name}`),
  ];
}

interface Snapshot {
  readonly kind: Kind;
  readonly parent: string;
}

async function listSnapshots({ snapshots }: ContainerdConnection): Promise<Map<string, Snapshot>> {
  const found = new Map<string, Snapshot>();
  for await (const { info } of snapshots.list({ snapshotter })) {
    for (const { name, kind, parent } of info) found.set(name, { kind, parent });
  }
  return found;
}

/** Blobs by digest, each with the names of what garbage collection keeps for its sake. */
async function listBlobs({ content }: ContainerdConnection): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const { info } of content.list({})) {
    for (const { digest, labels } of info) {
      const references = Object.entries(labels).filter(([name]) => name.startsWith("containerd.io/gc.ref."));
      found.set(digest, references.map(([, target]) => target));
    }
  }
  return found;
}

/** What the cache's lease names, and what that refers to: as containerd's garbage collection walks. */
async function keptByCache(
  { leases }: ContainerdConnection,
  blobs: ReadonlyMap<string, string[]>,
  snapshots: ReadonlyMap<string, Snapshot>,
): Promise<Set<string>> {
  const { resources } = await leases.listResources({ id: cacheLease }).catch(() => ({ resources: [] }));
  const waiting = resources.filter(({ type }) => type === "content" || type === snapshotType).map(({ id }) =>
    id
  );
  const kept = new Set<string>();
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name === "" || kept.has(name)) continue;
    kept.add(name);
    waiting.push(...blobs.get(name) ?? [], snapshots.get(name)?.parent ?? "");
  }
  return kept;
}
