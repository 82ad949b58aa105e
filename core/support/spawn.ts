/** Running a program to its end: input given, both outputs drained all the time, bounded in size and time. */
import { type ChildProcess, spawn } from "node:child_process";

/** How a program is run. */
export interface RunOptions {
  /** Written to standard input, which is then closed. Default: an empty input. */
  readonly stdin?: string | Uint8Array;
  /** Set on top of this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** The program and its process group are killed after so long, in milliseconds; default 30,000. */
  readonly timeoutMs?: number;
  /** Kills the program and its process group when it fires; the run rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** A program that prints more than so many bytes to standard output is killed; default 4 MiB. */
  readonly maxOutputBytes?: number;
  /** Exit codes that count as success; default 0 alone. */
  readonly exitCodes?: readonly number[];
}

/** What a program left behind. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  /** The last 64 KiB of standard error. */
  readonly stderr: string;
}

/** A program could not be started, was killed, or ended with an exit code nobody accepted. */
export class CommandFailed extends Error {
  /** The command line, for logs. */
  readonly command: string;
  /** Undefined when the program was not found or was killed. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(command: string, what: string, outcome: Partial<Finished> = {}, options?: ErrorOptions) {
    const words = lastWords(outcome.stderr ?? "");
    super(`${command} ${what}${words && `: ${words}`}`, options);
    this.name = "CommandFailed";
    this.command = command;
    this.exitCode = outcome.exitCode;
    this.stdout = outcome.stdout ?? "";
    this.stderr = outcome.stderr ?? "";
  }
}

const stderrTailBytes = 64 * 1024;

/**
 * Runs a program in a process group of its own until it ended and its outputs were closed. Errors: {@link CommandFailed}
 * naming the command, its exit code and its last words on standard error; the signal's reason when that fired.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const line = [command, ...args].join(" ");
    if (options.signal?.aborted) return reject(options.signal.reason);
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      // Its own group: a terminal's Ctrl-C is the daemon's to handle, and a kill reaches the program's children.
      detached: true,
    });
    const stdout = new Collected(
      child.stdout!,
      options.maxOutputBytes ?? 4 * 1024 * 1024,
      () => fail(new CommandFailed(line, `printed more than ${stdout.limitBytes} bytes`)),
    );
    const stderr = new Collected(child.stderr!, stderrTailBytes);

    const fail = (error: unknown) => {
      if (settle()) killGroup(child);
      reject(error);
    };
    const timeoutMs = options.timeoutMs ?? 30_000;
    const timer = setTimeout(
      () => fail(new CommandFailed(line, `did not finish within ${timeoutMs} ms`, { stderr: stderr.text() })),
      timeoutMs,
    );
    const abort = () => fail(options.signal?.reason);
    let settled = false;
    const settle = () => {
      if (settled) return false;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
      return settled = true;
    };
    options.signal?.addEventListener("abort", abort, { once: true });

    child.once("error", (error) => {
      settle();
      reject(new CommandFailed(line, `could not be started: ${error.message}`, {}, { cause: error }));
    });
    child.once("close", (code, killedBy) => {
      if (!settle()) return;
      const outcome = { exitCode: code ?? -1, stdout: stdout.text(), stderr: stderr.text() };
      if (code === null) {
        reject(new CommandFailed(line, `was killed by ${killedBy}`, { stderr: outcome.stderr }));
      } else if ((options.exitCodes ?? [0]).includes(code)) resolve(outcome);
      else reject(new CommandFailed(line, `ended with exit code ${code}`, outcome));
    });
    // A program that never reads its input closes it under us; its exit code tells the story.
    child.stdin!.on("error", () => {});
    child.stdin!.end(options.stdin ?? "");
  });
}

/** The bytes of one output: all of them up to a limit that calls back, or else the last so many. */
class Collected {
  readonly limitBytes: number;
  #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  constructor(stream: NodeJS.ReadableStream, limitBytes: number, onOverflow?: () => void) {
    this.limitBytes = limitBytes;
    stream.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#sizeBytes += chunk.length;
      if (this.#sizeBytes <= limitBytes) return;
      if (onOverflow) onOverflow();
      this.#keepTail();
    });
    stream.on("error", () => {});
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }

  #keepTail(): void {
    const tail = Buffer.concat(this.#chunks).subarray(-this.limitBytes);
    this.#chunks = [tail];
    this.#sizeBytes = tail.length;
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
  // Somebody who left the group may hold the other ends; nobody waits for them.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}

function lastWords(stderr: string): string {
  const lines = stderr.trim().split("\n").slice(-3).join("; ").trim();
  return lines.length > 500 ? `…${lines.slice(-500)}` : lines;
}
