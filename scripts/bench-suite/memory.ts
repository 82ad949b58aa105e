import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Resident memory of a process and everything it started, in MiB. */
export function treeMemoryMib(pid: number): number {
  const children = new Map<number, number[]>();
  for (const each of processIds()) {
    const parent = parentOf(each);
    children.set(parent, [...children.get(parent) ?? [], each]);
  }
  const add = (each: number): number =>
    memoryMib(each) + (children.get(each) ?? []).reduce((all, child) => all + add(child), 0);
  return add(pid);
}

/** Resident memory of one process, in MiB. */
export function memoryMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** Resident memory of every containerd shim on this machine, in MiB. */
export function shimMemoryMib(): number {
  const shims = processIds().filter((pid) => read(`/proc/${pid}/comm`).startsWith("containerd-shim"));
  return shims.reduce((all, pid) => all + memoryMib(pid), 0);
}

/** The process that listens on a Unix socket; undefined when it is not to be seen from here. */
export function listenerOf(socketPath: string): number | undefined {
  const line = read("/proc/net/unix").split("\n").find((each) => each.endsWith(` ${socketPath}`));
  const inode = line?.trim().split(/\s+/)[6];
  return inode ? processIds().find((pid) => holds(pid, `socket:[${inode}]`)) : undefined;
}

function holds(pid: number, target: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === target);
  } catch {
    // It ended, or a descriptor was closed, while we looked.
    return false;
  }
}

function processIds(): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
}

function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
