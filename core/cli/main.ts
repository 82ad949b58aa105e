import type { BuiltInTable } from "../kernel/loader.ts";
import { apiErrorOf, messageOf } from "../support/errors.ts";
import { buildProgram } from "./program.ts";

/** Exit code of every failure that is not a wrong command line. */
const failed = 1;
/** Exit code of a command line that cannot be understood, as in the shell's own tools. */
const misused = 2;

/**
 * Runs one command of `berth` and sets the process's exit code: 0, 1 for an error, 2 for a wrong command line; `run`
 * passes its command's exit code through. The process ends by itself when nothing is left to do.
 *
 * @param words the command line without runtime and script: `process.argv.slice(2)`
 * @param builtIns the plugins that `serve` can enable by name
 */
export async function runCommandLine(words: readonly string[], builtIns: BuiltInTable): Promise<void> {
  try {
    await buildProgram(builtIns).parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = isCommandLineError(error) ? exitCodeOf(error) : failed;
    if (!isCommandLineError(error)) report(error, asksForJson(words));
  }
}

/** What commander throws, after it told the user. */
type CommandLineError = Error & { code: string; exitCode: number };

function isCommandLineError(error: unknown): error is CommandLineError {
  return error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
}

function exitCodeOf(error: CommandLineError): number {
  return error.exitCode === 0 ? 0 : misused;
}

/** What follows `--` is another program's. */
function asksForJson(words: readonly string[]): boolean {
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  return own.includes("--json");
}

function report(error: unknown, asJson: boolean): void {
  const known = apiErrorOf(error);
  const message = known?.message ?? messageOf(error);
  const line = asJson
    ? JSON.stringify({ error: { kind: known?.kind ?? "internal", message } })
    : `berth: ${message}`;
  process.stderr.write(`${line}\n`);
}
