import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Finding, lookApart } from "./check.ts";

/**
 * Mounts an overlay where the data directory is, or will be, and writes through it: whether that works depends on
 * the file system there. The mount lives in a namespace of its own, so that nothing can stay behind.
 */
export async function lookAtOverlay(dataDir: string): Promise<Finding> {
  const place = await nearestExisting(dataDir);
  let dir: string;
  try {
    dir = await mkdtemp(join(place, ".berth-doctor-"));
  } catch {
    return { ok: false, detail: `${place} cannot be written to` };
  }
  try {
    for (const each of ["lower", "upper", "work", "merged"]) await mkdir(join(dir, each));
    const mount = `mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged`;
    return await lookApart(
      ["-m"],
      `cd ${quoted(dir)}; ${mount}; echo > merged/file; echo ${quoted(`works in ${place}`)}`,
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function nearestExisting(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() || path === "/" ? path : await nearestExisting(dirname(path));
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
