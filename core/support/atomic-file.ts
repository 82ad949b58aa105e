import { open, readFile, rename, rm } from "node:fs/promises";

let counter = 0;

/**
 * Replaces a file so that a reader, or the daemon after a kill -9, sees the old content or the new one and
 * never half of it: temporary file beside it, optionally synced, then rename.
 *
 * @param mode permission bits; default 0600
 * @param durable sync to disk before the rename, for what must survive the machine and not only the daemon
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, durable = false } = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}.${counter++}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Reads a JSON file; undefined when there is none. A file that is not JSON is an error that names it. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`${path} is not JSON`, { cause: error });
  }
}
