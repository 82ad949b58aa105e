/**
 * Named pipes (FIFOs): how output leaves a process that outlives a connection. Both runtimes read and write them
 * without holding a thread for each; `runtime.ts` picks the way.
 */

/** Takes what was read. Reading goes on when the returned promise settled: that is the back-pressure. */
export type ChunkSink = (chunk: Uint8Array) => Promise<void> | void;

/** The reading end of a named pipe. */
export interface PipeReader {
  /**
   * Hands every chunk (up to 64 KiB) to the sink; resolves when the last writer closed its end, or after {@link close}.
   * A pipe that no writer opened yet is not at its end. Rejects with what the sink threw. To be called once.
   */
  drain(sink: ChunkSink): Promise<void>;
  /** Lets go of the pipe at once; what it still holds is lost. Idempotent. */
  close(): void;
}

/** The writing end of a named pipe. */
export interface PipeWriter {
  /** Resolves when the pipe took all bytes, or when it was closed: bytes to nobody are dropped. */
  write(chunk: Uint8Array): Promise<void>;
  /** Closes this end: the reader sees the end once it read what the pipe holds. Idempotent. */
  close(): void;
}

/** One runtime's way with pipes. */
export interface PipeSystem {
  /** Makes named pipes, mode 0600. All or an error; those made before the error stay. */
  make(paths: readonly string[]): Promise<void>;
  /** Opens for reading; does not wait for a writer. Throws when there is no such pipe. */
  openReader(path: string): PipeReader;
  /** Opens for writing; does not wait for a reader. Throws when there is no such pipe. */
  openWriter(path: string): PipeWriter;
}

/** Largest chunk that a reader hands out, in bytes. */
export const chunkBytes = 64 * 1024;
