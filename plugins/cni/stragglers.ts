/** Programs that a killed daemon had started and that are still at it. */
import { readdir, readFile } from "node:fs/promises";
import { pause } from "../../core/support/deadline.ts";

/** Environment variable that tells whose a program is that bears no path of the daemon's. */
export const daemonMark = "BERTH_DAEMON";

/**
 * Waits until no program runs any more that a former daemon had started: what it is about to make would come after the
 * sweep. Such programs take milliseconds; after the deadline the sweep goes on without.
 *
 * @param directory the daemon's; whatever works in it names it in its arguments or environment
 */
export async function awaitStragglers(daemonId: string, directory: string, timeoutMs = 5_000): Promise<void> {
  const marks = [`${daemonMark}=${daemonId}`, `${directory}/`];
  const end = Date.now() + timeoutMs;
  let suspects = await marked(await readdir("/proc"), marks);
  while (suspects.length > 0 && Date.now() < end) {
    await pause(5);
    suspects = await marked(suspects, marks);
  }
}

async function marked(names: readonly string[], marks: readonly string[]): Promise<string[]> {
  const pids = names.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(pids.map(async (pid) => {
    const texts = await Promise.all(
      ["cmdline", "environ"].map((file) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")),
    );
    return texts.some((text) => marks.some((mark) => text.includes(mark)));
  }));
  return pids.filter((_, index) => found[index]);
}
