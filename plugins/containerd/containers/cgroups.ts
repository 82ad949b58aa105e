import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { pause } from "../../../core/support/deadline.ts";

const root = "/sys/fs/cgroup";
/** A killed process leaves its cgroup a moment after its end. */
const emptyMs = 1_000;

/** Whether the host has the unified hierarchy alone. Hybrid hosts, which have it besides the others, do not count. */
export const unifiedCgroups = (): boolean => existsSync(join(root, "cgroup.controllers"));

/** The cgroup of a job's containers, within each hierarchy. */
export const jobCgroup = (daemonId: string, jobId: string): string => `/berth-${daemonId}/${jobId}`;

async function hierarchies(): Promise<string[]> {
  if (unifiedCgroups()) return [root];
  return (await readdir(root).catch(() => [])).map((name) => join(root, name));
}

/**
 * Removes a cgroup and what is under it in every hierarchy, then its parent if nothing else is in it. One that holds
 * processes stays, and so do its parents: the error names it.
 */
export async function removeCgroup(path: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    await removeTree(join(hierarchy, path));
    await rmdir(join(hierarchy, path, "..")).catch(() => {});
  }
}

async function removeTree(dir: string): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(dir, entry.name));
  for (const end = Date.now() + emptyMs;; await pause(10)) {
    try {
      return await rmdir(dir);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return;
      if (code !== "EBUSY" || Date.now() > end) throw error;
    }
  }
}

/** Whether the kernel killed something in a cgroup for want of memory. False when that cannot be told any more. */
export async function sawOutOfMemory(path: string): Promise<boolean> {
  const file = unifiedCgroups()
    ? join(root, path, "memory.events")
    : join(root, "memory", path, "memory.oom_control");
  const text = await readFile(file, "utf8").catch(() => "");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0;
}

/**
 * Signals a process if it belongs to a cgroup, so that a number that another process got meanwhile hits nobody.
 * False when it does not, has ended, or cannot be seen from here: containerd may run in another PID namespace.
 */
export function signalWithin(path: string, pid: number, signal: number): boolean {
  try {
    const memberships = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
    if (!memberships.some((line) => line.endsWith(`:${path}`))) return false;
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
