/**
 * What closed jobs left in a daemon that still runs. A daemon without jobs has the descriptors that it started
 * with, its containerd holds nothing but the cache, and the directories of jobs, containers and networks are empty.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { addedDescriptors, countDescriptors, type DescriptorCounts } from "./descriptors.ts";
import { engineThings } from "./engine-things.ts";

/** Directories below the data directory in which each job, container or transfer has its own. */
const emptyWithoutJobs = [
  "jobs",
  "cni/networks",
  "containerd/tmp",
  "containerd/state/runc/berth",
  "containerd/state/io.containerd.runtime.v2.task/berth",
  "containerd/root/io.containerd.runtime.v2.task/berth",
  "containerd/root/io.containerd.content.v1.content/ingest",
];

/** Named pipes that a daemon may keep ready: the last of one batch, and the next batch (pipe-pool.ts). */
const pipesAhead = 32;

/** A running daemon, as it is watched. */
export interface Watched {
  readonly pid: number;
  readonly dataDir: string;
  /** What it had open when it became ready. */
  readonly descriptors: DescriptorCounts;
}

/**
 * What is left, one line each; empty when all is clean. Looks again until it is or the time is up: connections of
 * clients, and what is removed in the background, go a moment after a job closed.
 */
export async function idleLeftovers(daemon: Watched, timeoutMs = 5_000): Promise<string[]> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const left = await look(daemon);
    if (left.length === 0 || Date.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function look({ pid, dataDir, descriptors }: Watched): Promise<string[]> {
  // Before anything is asked: a connection to containerd is a descriptor too.
  const now = await countDescriptors(pid, dataDir);
  return [
    ...addedDescriptors(descriptors, now),
    ...await filesOfJobs(dataDir),
    ...await engineThings(dataDir),
  ];
}

async function filesOfJobs(dataDir: string): Promise<string[]> {
  const names = (below: string) => readdir(join(dataDir, below)).catch((): string[] => []);
  const found = await Promise.all(
    emptyWithoutJobs.map(async (below) => (await names(below)).map((name) => `file: ${below}/${name}`)),
  );
  const pipes = (await names("containerd/pipes")).length;
  return [...found.flat(), ...pipes > pipesAhead ? [`file: ${pipes} pipes in containerd/pipes`] : []];
}
