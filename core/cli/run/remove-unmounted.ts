import { readFile, rm } from "node:fs/promises";

/**
 * Removes a directory with all that is in it. Errors: something is mounted below it; that may be somebody's own files,
 * so nothing is removed.
 */
export async function removeUnmounted(dir: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) =>
    line.split(" ")[4] ?? ""
  );
  const below = mounts.filter((path) => path.startsWith(`${dir}/`));
  if (below.length > 0) throw new Error(`${dir} is not removed: still mounted there: ${below.join(", ")}`);
  await rm(dir, { recursive: true, force: true });
}
