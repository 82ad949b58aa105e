import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** The checkout's absolute path, from the source and from the compiled files alike. */
export const root = findRoot(here);

/** The folder below the root that holds the compiled files: `dist`, unless this very file runs from another. */
export const compiledFolder = relative(root, here).split("/").find((part) => part.startsWith("dist")) ??
  "dist";

function findRoot(start: string): string {
  for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "package-lock.json"))) return folder;
  }
  throw new Error(`${start} lies in no checkout`);
}
