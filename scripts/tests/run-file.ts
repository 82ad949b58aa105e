import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Run, Runtime } from "./files.ts";
import { compiledFolder, root } from "./root.ts";

/** How one test file did. */
export interface Outcome extends Run {
  readonly passed: number;
  readonly total: number;
  /** Tests that did not pass; at least 1 when the file as a whole failed: a crash, no tests, its deadline. */
  readonly failed: number;
  /** What was wrong with the file as a whole. */
  readonly trouble?: string;
  readonly output: string;
  readonly seconds: number;
}

const outputLimitChars = 400_000;

/** Runs one file in a process group of its own and kills the group after the deadline. */
export async function runFile(run: Run, deadlineMs: number): Promise<Outcome> {
  const startedAt = Date.now();
  const [command, ...args] = commandLine(run.runtime, run.file);
  const child = spawn(command!, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", BERTH_RUNTIME: run.runtime },
  });
  const output = collect(child);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child);
  }, deadlineMs);
  const ending = await ended(child);
  clearTimeout(timer);
  killGroup(child);
  const trouble = late ? `did not end within ${deadlineMs / 1000} s` : ending;
  return judge(run, output(), trouble, (Date.now() - startedAt) / 1000);
}

function commandLine(runtime: Runtime, file: string): string[] {
  if (runtime === "deno") return [join(root, "node_modules/.bin/deno"), "run", "-A", file];
  return [process.execPath, "--enable-source-maps", join(compiledFolder, file.replace(/\.ts$/, ".js"))];
}

function collect(child: ChildProcess): () => string {
  let text = "";
  const add = (chunk: string) => {
    if (text.length < outputLimitChars) text += chunk;
  };
  child.stdout!.setEncoding("utf8").on("data", add);
  child.stderr!.setEncoding("utf8").on("data", add);
  return () => text;
}

/** Waits for the process itself, and a moment for its last output: a leftover grandchild may hold the pipes open. */
function ended(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(`could not be started: ${error.message}`));
    child.on("exit", (code, signal) => {
      const said = code === 0 ? undefined : signal ? `was killed by ${signal}` : `exited with ${code}`;
      const settle = () => resolve(said);
      child.on("close", settle);
      setTimeout(settle, 1000).unref();
    });
  });
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function judge(run: Run, output: string, ending: string | undefined, seconds: number): Outcome {
  const total = sum(output, /^\s+Total:\s+(\d+)/gm);
  const passed = sum(output, /^\s+Passed:\s+(\d+)/gm);
  const trouble = ending ?? (total === 0 ? "ran no test" : undefined);
  const missed = total - passed;
  const failed = trouble && missed === 0 ? 1 : missed;
  return { ...run, passed, total, failed, trouble: failed > 0 ? trouble : undefined, output, seconds };
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((all, match) => all + Number(match[1]), 0);
}
