import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "./check.ts";

const needed = ["bridge", "host-local", "loopback"];

/** Looks for each CNI plugin that is run, in the directories where the daemon does. */
export async function lookAtCni(dirs: readonly string[]): Promise<Finding> {
  const places = await Promise.all(needed.map((name) => placeOf(name, dirs)));
  const missing = needed.filter((_, at) => places[at] === undefined);
  if (missing.length > 0) {
    return { ok: false, detail: `no ${missing.join(", ")} in ${dirs.join(" or ") || "no directory at all"}` };
  }
  return { ok: true, detail: `${needed.join(", ")} in ${[...new Set(places)].join(" and ")}` };
}

async function placeOf(name: string, dirs: readonly string[]): Promise<string | undefined> {
  for (const dir of dirs) {
    if (await access(join(dir, name), constants.X_OK).then(() => true, () => false)) return dir;
  }
  return undefined;
}
