import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { builtIns } from "../../plugins/built-in.ts";
import { temporaryDir } from "../control/fakes.ts";

/** A config file for a daemon without engines: it opens jobs, whose sockets answer 501 to everything. */
export async function leanConfig(undo: Undo): Promise<string> {
  const others = Object.keys(builtIns).filter((id) => id !== "control");
  const path = join(await temporaryDir(undo), "berth.toml");
  await writeFile(path, others.map((id) => `[plugins.${id}]\nenabled = false\n`).join("\n"));
  return path;
}
