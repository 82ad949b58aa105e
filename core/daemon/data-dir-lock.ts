import { link, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conflict } from "../support/errors.ts";

type Owner = {
  pid: number; /** Clock ticks since boot when the process started: tells a recycled pid. */
  started: string;
};

/**
 * Makes this process the only daemon of a data directory. The lock is a file that names its owner; one whose owner
 * is dead (kill -9 is a normal event) is taken over.
 *
 * @returns the function that gives the lock back
 * @throws ApiError conflict, naming the owner, when a live process holds it
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, "daemon.lock");
  const mine = `${path}.${process.pid}`;
  const text = JSON.stringify(thisProcess());
  await writeFile(mine, text, { mode: 0o600 });
  try {
    while (!await linked(mine, path)) await moveStaleAway(path, dataDir);
  } finally {
    await unlink(mine);
  }
  return async () => {
    if (await contentOf(path) === text) await unlink(path);
  };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function moveStaleAway(path: string, dataDir: string): Promise<void> {
  const seen = await contentOf(path);
  if (seen === undefined) return;
  const owner = parse(seen);
  if (owner && isAlive(owner)) {
    throw conflict(
      `a daemon is running at ${dataDir} already (process ${owner.pid}): stop it, or use another --data-dir`,
    );
  }
  // Two starters may both see the dead owner: only the one that moved that very file away goes on.
  const aside = `${path}.stale.${process.pid}`;
  await rename(path, aside).catch(() => {});
  const moved = await contentOf(aside);
  if (moved !== undefined && moved !== seen) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parse(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return undefined;
  }
}

const thisProcess = (): Owner => ({ pid: process.pid, started: startOf(process.pid) ?? "" });
const isAlive = (owner: Owner) => startOf(owner.pid) === owner.started;

/**
 * Field 22 of `/proc/PID/stat` (proc(5)); the command name before it may hold spaces and parentheses. Undefined also for
 * a process that has ended and was not waited for yet, which can take as long as its parent likes.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
