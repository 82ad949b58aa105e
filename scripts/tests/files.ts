import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The runtimes that run every test: Node the compiled files, Deno the source. */
export const runtimes = ["node", "deno"] as const;
export type Runtime = typeof runtimes[number];

/** One test file on one runtime. */
export interface Run {
  /** `test/core/undo.test.ts`, relative to the checkout. */
  readonly file: string;
  readonly runtime: Runtime;
  /** True for files that run real containers: they run alone, so that deadlines and leak checks hold. */
  readonly alone: boolean;
}

/** Folders whose files start engines or change kernel state. */
const aloneFolders = ["test/wire/", "test/cni/", "test/containerd/", "test/containers/"];

/** Every test file below `test/` whose path contains one of `filters`; all of them when there are none. */
export function findTests(root: string, filters: readonly string[]): string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((path) => `test/${path}`)
    .filter((path) => path.endsWith(".test.ts") && !path.startsWith("test/fixtures/"))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort();
}

/** Crosses files with runtimes, files that run alone last. */
export function planRuns(files: readonly string[], wanted: readonly Runtime[]): Run[] {
  const runs = wanted.flatMap((runtime) =>
    files.map((file) => ({ file, runtime, alone: aloneFolders.some((folder) => file.startsWith(folder)) }))
  );
  return [...runs.filter(({ alone }) => !alone), ...runs.filter(({ alone }) => alone)];
}
