import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeUnmounted } from "../../core/cli/run/remove-unmounted.ts";
import { run } from "../../core/support/spawn.ts";
import { temporaryDir } from "../control/fakes.ts";
import { assert, rejection, test } from "../support/test.ts";

test("removes nothing while something is mounted below, and everything afterwards", async (undo) => {
  const dir = join(await temporaryDir(undo), "daemon");
  const mounted = join(dir, "jobs/mounted");
  await mkdir(mounted, { recursive: true });
  await run("mount", ["-t", "tmpfs", "none", mounted]);
  undo.add("mount", () => run("umount", [mounted], { exitCodes: [0, 32] }));
  await writeFile(join(mounted, "precious"), "");
  const error = await rejection(removeUnmounted(dir));
  assert.is(error.message, `${dir} is not removed: still mounted there: ${mounted}`);
  await access(join(mounted, "precious"));
  await run("umount", [mounted]);
  await removeUnmounted(dir);
  await rejection(access(dir));
});
