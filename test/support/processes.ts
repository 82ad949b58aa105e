import { readdirSync, readFileSync } from "node:fs";

/** A process of this machine. */
export interface ProcessInfo {
  readonly pid: number;
  /** The command line, arguments joined by blanks. */
  readonly commandLine: string;
}

/** Every process whose command line contains a text; the one that asks is not among them. */
export function processesWith(text: string): ProcessInfo[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const pid = Number(name);
    const commandLine = commandLineOf(pid);
    return pid !== process.pid && commandLine.includes(text) ? [{ pid, commandLine }] : [];
  });
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    // It ended while we looked.
    return "";
  }
}

/** Resident memory of a process in bytes; 0 when it ended. */
export function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
