import type { ContainerLog } from "./container-log.ts";
import { LogFile, type Segment } from "./read.ts";

/**
 * Output from a position on, as it comes, until the given run of the container ended and all of it was seen, the log
 * closes, or the signal fires. Ends quietly in each case.
 *
 * @param run the run to follow; that after the current one waits for a start
 */
export async function* followLog(
  log: ContainerLog,
  from: number,
  run: number,
  signal: AbortSignal,
): AsyncGenerator<Segment> {
  const file = new LogFile(log.path);
  const release = log.hold();
  try {
    for (let position = from; !signal.aborted && !log.closed;) {
      if (position < log.end) {
        const bytes = log.peek(position) ?? await readBehind(log, file, position);
        if (bytes.length === 0) return;
        yield { position, bytes };
        position += bytes.length;
      } else if (log.retired || log.run > run || (log.run === run && !log.running)) {
        return;
      } else {
        await log.changes.next(signal);
      }
    }
  } finally {
    release();
    await file.close();
  }
}

/** What left memory is in the file, unless the log was dropped under the reader: then there is no more. */
async function readBehind(log: ContainerLog, file: LogFile, position: number): Promise<Buffer> {
  try {
    return await file.records(position, log.end);
  } catch (error) {
    if (log.closed) return Buffer.alloc(0);
    throw error;
  }
}
