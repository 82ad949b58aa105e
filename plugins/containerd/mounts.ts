import { readFile, realpath } from "node:fs/promises";
import { run } from "../../core/support/spawn.ts";

/** Mount points below a directory, those mounted last first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  // The kernel's table knows no symbolic links.
  const real = await realpath(directory).catch(() => directory);
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return table.split("\n")
    .map((line) => unescapePath(line.split(" ")[4] ?? ""))
    .filter((path) => path.startsWith(`${real}/`))
    .reverse();
}

/** Unmounts everything below a directory; what is busy goes when its last user goes. */
export async function unmountBelow(directory: string): Promise<void> {
  const paths = await mountsBelow(directory);
  if (paths.length > 0) await run("umount", ["--lazy", ...paths]);
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
