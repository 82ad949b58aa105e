/**
 * Where Node and Deno differ, and the only file that asks which one this is. Everything else uses what both have:
 * `node:` modules and Web types.
 */
import type { Server } from "node:net";
import { deno, keepFromChildren } from "./deno-libc.ts";
import { denoPipes } from "./pipes-deno.ts";
import { nodePipes } from "./pipes-node.ts";
import type { PipeReader, PipeSystem, PipeWriter } from "./pipes.ts";

export type { ChunkSink, PipeReader, PipeWriter } from "./pipes.ts";

const pipes: PipeSystem = deno ? denoPipes : nodePipes;

/** `node` or `deno`. */
export const runtimeName: "node" | "deno" = deno ? "deno" : "node";

/** The runtime's version without a leading v, `20.20.2`. */
export const runtimeVersion: string = deno ? deno.version.deno : process.versions.node;

/** Both in one, as `berth version` and the log show it: `node 20.20.2`. */
export const runtimeTitle = `${runtimeName} ${runtimeVersion}`;

/**
 * True where a TLS socket reads on whatever its reader does: Deno (2.9) holds what came in memory, Node stops reading.
 * Who reads much over TLS has to hold the connection below it back.
 */
export const tlsReadsAhead: boolean = deno !== undefined;

/**
 * How Deno runs the program; scripts/berth says the same. A small young generation: with V8's own choice the daemon's
 * memory is 40 MB more at 1,000 idle jobs, and it answers no faster.
 */
const denoArguments = ["run", "--quiet", "--allow-all", "--v8-flags=--max-semi-space-size=4"];

/** The command line that runs this very program once more, without its arguments. */
export const scriptCommand: readonly string[] = [
  process.execPath,
  ...(deno ? denoArguments : process.execArgv),
  process.argv[1] ?? "",
];

/**
 * Makes named pipes, mode 0600. On Node this starts a process (`mkfifo`), once for all of them: make many, ahead of
 * need. All or an error; those made before the error stay.
 */
export const makePipes = (paths: readonly string[]): Promise<void> => pipes.make(paths);

/** Opens a named pipe for reading, without waiting for a writer and without holding a thread. */
export const openPipeReader = (path: string): PipeReader => pipes.openReader(path);

/** Opens a named pipe for writing, without waiting for a reader and without holding a thread. */
export const openPipeWriter = (path: string): PipeWriter => pipes.openWriter(path);

/**
 * Keeps a listening server's socket from the processes that are started from now on, containerd and its shims among
 * them: they would hold it open after the server closed. Node makes sockets so; Deno (2.9) does not. Call it in the same
 * turn as `listen`.
 */
export const keepSocketFromChildren = (server: Server): void => {
  if (deno) keepFromChildren(descriptorOf(server));
};

/** What both runtimes keep under Node's name for it, and neither documents. */
function descriptorOf(server: Server): number {
  const descriptor = (server as { _handle?: { fd?: number } })._handle?.fd;
  if (descriptor === undefined || descriptor < 0) throw new Error("the server does not listen");
  return descriptor;
}
