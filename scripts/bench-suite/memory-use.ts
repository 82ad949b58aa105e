/** Resident memory: of the daemon with its engine, and of the shims of ten containers. */
import { create, remove, start } from "./containers.ts";
import type { Engine } from "./engine.ts";
import type { Measurement, Series } from "./measure.ts";
import { shimMemoryMib, treeMemoryMib } from "./memory.ts";

const mib = (name: string): Series => ({ name, unit: "MiB", better: "lower" });

export function memoryMeasurement(): Measurement {
  return {
    series: [mib("daemon and its engine, after all this"), mib("shims of 10 containers")],
    rounds: 1,
    sample: async ({ client, pid }: Engine) => {
      const daemon = pid === undefined ? [] : [treeMemoryMib(pid)];
      const before = shimMemoryMib();
      const ids: string[] = [];
      try {
        while (ids.length < 10) {
          ids.push(await create(client, ["sleep", "1000"]));
          await start(client, ids.at(-1)!);
        }
        return [daemon, [shimMemoryMib() - before]];
      } finally {
        for (const id of ids) await remove(client, id);
      }
    },
  };
}
