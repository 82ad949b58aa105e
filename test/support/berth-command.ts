import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { scriptCommand } from "../../core/support/runtime.ts";

/** The checkout's top folder, or the compiled copy of it that this file runs from. */
const codeRoot = join(dirname(fileURLToPath(import.meta.url)), "../..");

const onDeno = "deno" in process.versions;

/** The command line that runs `berth` with these arguments on the runtime that runs the test. */
export function berthCommand(...args: string[]): string[] {
  return onDeno
    ? [...scriptCommand.slice(0, -1), join(codeRoot, "scripts/main.ts"), ...args]
    : [process.execPath, "--enable-source-maps", join(codeRoot, "scripts/main.js"), ...args];
}

/** The checkout's top folder, where fixtures are: the compiled copy lies one below it. */
export const checkoutRoot = onDeno ? codeRoot : dirname(codeRoot);
