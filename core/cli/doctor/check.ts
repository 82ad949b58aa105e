import { connect } from "node:net";
import { CommandFailed, run } from "../../support/spawn.ts";
import { messageOf } from "../../support/errors.ts";

/** What was found where something was looked for. */
export interface Finding {
  readonly ok: boolean;
  /** What is there, `containerd 1.6.20`, or what went wrong. */
  readonly detail: string;
}

/** One thing that the daemon needs of its host. */
export interface HostCheck {
  readonly name: string;
  /** What does not work without it. */
  readonly neededFor: string;
  /** The Debian package that has it. */
  readonly package?: string;
  /** What else to do about it. */
  readonly advice?: string;
  /** False for what only some jobs need: reported, and no failure. */
  readonly required: boolean;
  look(): Promise<Finding>;
}

/** Where programs of the system administrator lie, whatever PATH says. */
export const programPath = `${
  process.env.PATH ?? ""
}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`;

/** Looks by running a program: found when it ends well, and then what it says first is the detail. */
export async function lookByRunning(program: string, ...words: string[]): Promise<Finding> {
  try {
    const { stdout, stderr } = await run(program, words, { env: { PATH: programPath }, timeoutMs: 10_000 });
    return { ok: true, detail: firstFact(stdout) || firstFact(stderr) };
  } catch (error) {
    return { ok: false, detail: reasonOf(program, error) };
  }
}

/** Looks for somebody who listens on a Unix socket. */
export function lookForSocket(path: string): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (finding: Finding) => {
      socket.destroy();
      resolve(finding);
    };
    socket.once("connect", () => end({ ok: true, detail: `${path} answers` }));
    socket.once("error", (error) => end({ ok: false, detail: messageOf(error) }));
  });
}

/** Looks by running a shell script in new namespaces (`unshare` flags), which end with it and leave nothing behind. */
export function lookApart(namespaces: readonly string[], script: string): Promise<Finding> {
  return lookByRunning("unshare", ...namespaces, "sh", "-ec", script);
}

function reasonOf(program: string, error: unknown): string {
  const cause = error instanceof Error ? error.cause as NodeJS.ErrnoException | undefined : undefined;
  if (cause?.code === "ENOENT") return `${program} is not installed`;
  return error instanceof CommandFailed && error.stderr ? firstLine(error.stderr) : messageOf(error);
}

/** The first line that is not a heading. */
function firstFact(text: string): string {
  return text.trim().split("\n").find((line) => !line.endsWith(":"))?.trim() ?? "";
}

const firstLine = (text: string) => text.trim().split("\n")[0] ?? "";
