import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { defaultDataDir } from "../control/socket-path.ts";

/** Options of every command. */
export interface CommonOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Options of the commands that open a job. */
export interface JobOptions extends CommonOptions {
  readonly netns?: string;
  readonly pid?: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly socketMode?: number;
  readonly socketUid?: number;
  readonly socketGid?: number;
}

/** Adds the options that every command has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--data-dir <dir>", `where the daemon lives (default: ${defaultDataDir})`)
    .option("--json", "print JSON");
}

/** Adds the options that say what job to open. */
export function withJobOptions(command: Command): Command {
  return command
    .option("--netns <path>", "let this network namespace join the job's network")
    .option("--pid <n>", "let the network namespace of this process join the job's network", wholeNumber)
    .option("--label <key=value>", "label the job; may be repeated", addLabel)
    .option(
      "--socket-mode <mode>",
      "permission bits of the job's socket, octal (default: 600)",
      permissionBits,
    )
    .option("--socket-uid <uid>", "owner of the job's socket (default: the daemon's user)", wholeNumber)
    .option("--socket-gid <gid>", "group of the job's socket (default: the daemon's group)", wholeNumber);
}

/** The data directory that a command is about. */
export function dataDirOf(options: CommonOptions): string {
  return resolve(options.dataDir ?? defaultDataDir);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function permissionBits(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) {
    throw new InvalidArgumentError("It must be three octal digits, such as 660.");
  }
  return parseInt(text, 8);
}

function addLabel(text: string, labels: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must read key=value.");
  return { ...labels, [text.slice(0, at)]: text.slice(at + 1) };
}
