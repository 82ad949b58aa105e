import { spawn } from "node:child_process";
import { printNote } from "../output.ts";
import { exitCodeOfSignal } from "../signals.ts";
import type { Signals } from "./signals.ts";

/** Exit codes that shells use for a command that is not there, and for one that cannot be run. */
const notFound = 127;
const notExecutable = 126;

/**
 * Runs a command with this process's standard streams until it ends; signals go to it meanwhile.
 *
 * @returns its exit code, 128 + n when signal n ended it, 127 or 126 when it could not be started
 */
export function runChild(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  signals: Signals,
): Promise<number> {
  const [program, ...words] = command as [string, ...string[]];
  signals.aborted.throwIfAborted();
  return new Promise((resolve) => {
    const child = spawn(program, words, { env, stdio: "inherit" });
    signals.passTo((signal) => send(signal, child.pid));
    const end = (exitCode: number) => {
      signals.passTo(undefined);
      resolve(exitCode);
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      printNote(`${program}: ${error.code === "ENOENT" ? "command not found" : error.message}`);
      end(error.code === "ENOENT" ? notFound : notExecutable);
    });
    child.once("exit", (code, signal) => end(code ?? exitCodeOfSignal(signal!)));
  });
}

/** Not `child.kill`: Deno then reports an end by that signal, even of a command that caught it and ended well. */
function send(signal: NodeJS.Signals, processId: number | undefined): void {
  try {
    if (processId) process.kill(processId, signal);
  } catch {
    // It ended a moment ago.
  }
}
