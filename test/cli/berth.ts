import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { scriptCommand } from "../../core/support/runtime.ts";

/** How a command ended. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

// The tests are compiled on Node and run from source on Deno; the command line is then the same kind of file.
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const script = fileURLToPath(new URL(`../../scripts/main.${extension}`, import.meta.url));

/** The command line that runs `berth` on the runtime that runs this test. */
export const berthCommand: readonly string[] = [...scriptCommand.slice(0, -1), script];

/** Starts `berth` in a process of its own. */
export function startBerth(words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const [program, ...first] = berthCommand;
  return spawn(program!, [...first, ...words], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Runs `berth` to its end. */
export function berth(...words: string[]): Promise<Ended> {
  const child = startBerth(words);
  child.stdin!.end();
  return ended(child);
}

/** Waits for a process to end and collects what it printed from now on. */
export function ended(child: ChildProcess): Promise<Ended> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text: string) => texts[name] += text);
  }
  return new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, ...texts })));
}
