/**
 * Where Node and Deno differ, and the only file that asks which one this is. Everything else uses what both have:
 * `node:` modules and Web types.
 */
import { deno } from "./deno-libc.ts";
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

/** The command line that runs this very program once more, without its arguments. */
export const scriptCommand: readonly string[] = [
  process.execPath,
  ...(deno ? ["run", "--allow-all"] : process.execArgv),
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
