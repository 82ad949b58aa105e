import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { readJson, writeAtomically } from "../support/atomic-file.ts";
import { conflict, invalid } from "../support/errors.ts";
import type { JobRequest } from "./jobs.ts";

/** What is kept of a job on disk: enough to close it after a kill -9. */
export interface JobRecord {
  readonly format: 1;
  readonly request: JobRequest;
  /** ISO 8601. */
  readonly openedAt: string;
}

/** The places of one job under the data directory. */
export interface JobPaths {
  /** The job's whole tree. */
  readonly root: string;
  /** What plugins keep, 0700. */
  readonly state: string;
  /** The directory that holds the socket alone, so that it can be mounted into a container. */
  readonly socketDir: string;
  readonly socket: string;
}

const validId = /^[a-z0-9][a-z0-9_.-]{0,62}$/;

/** Refuses ids that could be anything but one plain path segment and one label value. */
export function checkJobId(id: string): void {
  if (!validId.test(id)) {
    throw invalid(
      `invalid job id ${
        JSON.stringify(id)
      }: use 1 to 63 of a-z, 0-9, "_", "." and "-", starting with a letter or digit`,
    );
  }
}

export function jobPaths(dataDir: string, id: string): JobPaths {
  const root = join(dataDir, "jobs", id);
  const socketDir = join(root, "docker");
  return { root, state: join(root, "state"), socketDir, socket: join(socketDir, "d.sock") };
}

/**
 * Makes the job's top directory. Errors: `conflict` when something is there that no open job of this daemon made; it
 * is left alone.
 */
export async function claimJobRoot({ root }: JobPaths): Promise<void> {
  try {
    await mkdir(root, { mode: 0o711 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw conflict(`${root} is in the way and belongs to no open job: move it away`, error);
  }
}

/** Makes the job's directories and its record. Only the path to the socket can be walked by other users. */
export async function createJobState(paths: JobPaths, record: JobRecord): Promise<void> {
  await mkdir(paths.socketDir, { mode: 0o711 });
  await mkdir(paths.state, { mode: 0o700 });
  await writeAtomically(join(paths.state, "job.json"), JSON.stringify(record));
}

/** Removes everything the job kept. */
export async function removeJobState(paths: JobPaths): Promise<void> {
  await rm(paths.root, { recursive: true, force: true });
}

/**
 * The jobs that a daemon before this one left behind. A job whose record was not written yet owns nothing but its
 * directory; it gets a record made up from its id.
 */
export async function abandonedJobs(dataDir: string): Promise<JobRecord[]> {
  const jobsDir = join(dataDir, "jobs");
  await mkdir(jobsDir, { recursive: true, mode: 0o711 });
  const names = (await readdir(jobsDir)).filter((name) => validId.test(name));
  return await Promise.all(names.map(async (id) => {
    const record = await readJson<JobRecord>(join(jobPaths(dataDir, id).state, "job.json"));
    return record ?? { format: 1, request: { id }, openedAt: new Date().toISOString() };
  }));
}
