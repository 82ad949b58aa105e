/**
 * `changes` of import and commit: Dockerfile instructions that alter an image's configuration. Which there are, how
 * they are written and what is said of wrong ones is as with Docker Engine 28.5, asked.
 */
import { invalid } from "../../core/support/errors.ts";
import type { ImageConfig } from "./backend.ts";
import { type Change, instructions } from "./changes/instructions.ts";
import { readInstructions } from "./changes/lines.ts";

/** What containers made from an image start with: the `config` of an image's configuration. */
export type RunConfig = NonNullable<ImageConfig["config"]>;

/** More text than this is refused, in characters. */
const longestChanges = 64 * 1024;
/** Each instruction costs time that grows with the configuration. */
const mostInstructions = 1_000;
/** What arguments may become by variables, all together, in characters. */
const longestExpanded = 1024 * 1024;

/**
 * A configuration after these instructions. Without any it stays as it is.
 *
 * Errors: `invalid` in Docker's words for an instruction that is unknown, not allowed here, or malformed.
 *
 * @param changes each may hold several lines
 */
export function applyChanges(config: RunConfig, changes: readonly string[]): RunConfig {
  if (changes.length === 0) return config;
  const text = changes.join("\n");
  if (text.length > longestChanges) throw invalid(`changes are longer than ${longestChanges} characters`);
  const { list, escape } = readInstructions(text);
  if (list.length === 0) throw invalid("file with no instructions");
  if (list.length > mostInstructions) throw invalid(`changes are more than ${mostInstructions} instructions`);
  const known = list.map((line) => {
    const instruction = instructions.get(line.name.toUpperCase());
    if (!instruction) throw invalid(`${line.name.slice(0, 200)} is not a valid change command`);
    return { instruction, line };
  });
  const change: Change = { config: { ...config }, escape, commandSet: false, room: longestExpanded };
  for (const { instruction, line } of known) instruction(change, line);
  return change.config;
}
