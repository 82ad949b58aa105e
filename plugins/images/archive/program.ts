import { type ChildProcess, spawn } from "node:child_process";
import { invalid } from "../../../core/support/errors.ts";
import { feed } from "./feed.ts";

/** What a program said last is kept up to this length, in characters. */
const longestComplaint = 300;

/**
 * Bytes as a program of the host makes others of them. It ends when its input or the iteration does, and cannot outlive
 * the daemon: its input ends with it. Errors: `invalid` when the host lacks the program, or it fails.
 */
export async function* throughProgram(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  args: readonly string[],
): AsyncGenerator<Uint8Array> {
  const child = spawn(name, args, { stdio: ["pipe", "pipe", "pipe"], env: { PATH: process.env["PATH"] } });
  const outcome = outcomeOf(child);
  const feeding = feed(chunks, child.stdin);
  try {
    yield* outputOf(child);
    const { code, complaint } = await outcome;
    await feeding.done;
    if (code === undefined) throw missing(name);
    // A program that failed for itself stopped its input; one whose input failed ended well or badly after it.
    const failure = feeding.failure();
    if (failure) throw failure.error;
    if (code !== 0) throw invalid(`the archive is not valid ${name}: ${complaint || "it ends early"}`);
  } finally {
    child.kill("SIGKILL");
    await outcome;
    await feeding.done;
  }
}

const missing = (name: string) =>
  invalid(
    `the archive is compressed with ${name}, and the host has no such program; send it plain or with gzip`,
  );

/** What the program prints. That it could not be started ends its output, with an error on one of the runtimes. */
async function* outputOf({ stdout }: ChildProcess): AsyncGenerator<Uint8Array> {
  const chunks = stdout![Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const next = await chunks.next().catch(() => undefined);
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.().catch(() => {});
  }
}

interface Outcome {
  /** Undefined when the program could not be started; -1 when it was killed. */
  readonly code: number | undefined;
  readonly complaint: string;
}

/** Settles when the program has ended and closed its outputs. Never rejects. */
function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let complaint = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-longestComplaint);
  });
  child.stdin!.on("error", () => {});
  return new Promise((resolve) => {
    child.once("error", () => resolve({ code: undefined, complaint: "" }));
    child.once("close", (code) => resolve({ code: code ?? -1, complaint: complaint.trim() }));
  });
}
