/** Open file descriptors, counted by what they are: numbers and inodes say nothing from one look to the next. */
import { readdir, readlink } from "node:fs/promises";
import { processesWith } from "./processes.ts";

/** How many descriptors of each sort a daemon and its containerd have open: `daemon: socket` → 4. */
export type DescriptorCounts = ReadonlyMap<string, number>;

/**
 * What may be there in addition to what was there when the daemon became ready, and at most so often:
 * - the epoll that reads all containers' pipes on Deno and the eventfd that wakes it (core/support/runtime.ts), made
 *   for the first container;
 * - the snapshotter's database, which containerd opens with the first snapshot.
 * Named pipes made ahead of need are files and not open: they count as such (idle.ts).
 */
const laterOnce: DescriptorCounts = new Map([
  ["daemon: anon_inode:[eventpoll]", 1],
  ["daemon: anon_inode:[eventfd]", 1],
  ["containerd: containerd/root/io.containerd.snapshotter.v1.overlayfs/metadata.db", 1],
]);

/** Counts the descriptors of a daemon and of the containerd in its data directory, if one runs. */
export async function countDescriptors(daemonPid: number, dataDir: string): Promise<DescriptorCounts> {
  const engine = containerdOf(dataDir);
  return new Map([
    ...await countOf("daemon", daemonPid, dataDir),
    ...engine === undefined ? [] : await countOf("containerd", engine, dataDir),
  ]);
}

/** What is open now and was not before, one line for each sort. Empty when all is clean. */
export function addedDescriptors(before: DescriptorCounts, now: DescriptorCounts): string[] {
  return [...now].flatMap(([sort, count]) => {
    const more = count - (before.get(sort) ?? 0) - (laterOnce.get(sort) ?? 0);
    return more > 0 ? [`open descriptor of ${sort}: ${more} more`] : [];
  });
}

/** The private containerd's process. */
export function containerdOf(dataDir: string): number | undefined {
  return processesWith(dataDir).find(({ commandLine }) => /^\S*containerd /.test(commandLine))?.pid;
}

async function countOf(who: string, pid: number, dataDir: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const numbers = await readdir(`/proc/${pid}/fd`).catch((): string[] => []);
  const targets = await Promise.all(numbers.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  for (const target of targets) {
    // Deno opens and closes the databases of its own cache as it likes.
    if (target === "" || /\/\w+_cache_v\d+(-\w+)?$/.test(target)) continue;
    const sort = `${who}: ${target.replace(`${dataDir}/`, "").replace(/:\[\d+\]$/, "")}`;
    counts.set(sort, (counts.get(sort) ?? 0) + 1);
  }
  return counts;
}
