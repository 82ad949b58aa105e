import { readdirSync, readFileSync } from "node:fs";

/** A process and the arguments it was started with. */
export interface ProcessArguments {
  readonly pid: number;
  readonly args: readonly string[];
}

/** The arguments of a process; empty for one that ended, is a zombie or belongs to the kernel. */
export function argumentsOf(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return text === "" ? [] : text.replace(/\0$/, "").split("\0");
  } catch {
    // Ended between the question and the answer.
    return [];
  }
}

/** The processes that were started with `flag` followed by `value`. */
export function processesWith(flag: string, value: string): ProcessArguments[] {
  const found: ProcessArguments[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const args = argumentsOf(Number(name));
    if (hasOption(args, flag, value)) found.push({ pid: Number(name), args });
  }
  return found;
}

/** Whether a command line has `flag` followed by `value`. */
export function hasOption(args: readonly string[], flag: string, value: string): boolean {
  const at = args.indexOf(flag);
  return at >= 0 && args[at + 1] === value;
}

/** Signals a process; one that ended already is fine. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
