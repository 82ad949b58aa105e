import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { JobRequest } from "../jobs/jobs.ts";
import { invalid } from "../support/errors.ts";
import type { JobOptions } from "./options.ts";

/** What to ask the daemon for, from a command line. Errors: `invalid`, for a namespace that is not there. */
export async function jobRequestFrom(id: string, options: JobOptions): Promise<JobRequest> {
  const { label, socketMode: mode, socketUid: uid, socketGid: gid } = options;
  const callerNetns = await callerNetnsFrom(options);
  const socket = mode ?? uid ?? gid;
  return {
    id,
    labels: label ?? {},
    ...(callerNetns && { callerNetns }),
    ...(socket !== undefined && { socket: { mode, uid, gid } }),
  };
}

async function callerNetnsFrom({ netns, pid }: JobOptions): Promise<string | undefined> {
  if (netns !== undefined && pid !== undefined) {
    throw invalid("--netns and --pid are two ways to say one thing: use one");
  }
  if (pid !== undefined) {
    const path = `/proc/${pid}/ns/net`;
    await refuseMissing(path, `--pid ${pid}: there is no such process`);
    return path;
  }
  if (netns === undefined) return undefined;
  const path = resolve(netns);
  // The daemon would read these as its own; this process is gone by the time anybody looks.
  if (/^\/proc\/(thread-)?self\//.test(path)) {
    throw invalid(`--netns ${netns} means berth itself: use --pid $$`);
  }
  await refuseMissing(path, `--netns ${netns}: there is no such file`);
  return path;
}

async function refuseMissing(path: string, message: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    throw invalid(message, error);
  }
}
