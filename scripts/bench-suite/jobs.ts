/** What only Berth does: jobs. */
import { Undo } from "../../core/support/undo.ts";
import { buildImage } from "../../test/support/busybox-image.ts";
import { startRegistry } from "../../test/support/registry.ts";
import { EngineClient } from "./client.ts";
import { timed } from "./containers.ts";
import type { Engine } from "./engine.ts";
import type { Measurement } from "./measure.ts";
import { memoryMib } from "./memory.ts";

export function jobMeasurements(quick: boolean): Measurement[] {
  return [openMeasurement(), idleMeasurement(quick ? 100 : 1000), pullMeasurement()];
}

function openMeasurement(): Measurement {
  return {
    series: [{ name: "job open → first answered ping", unit: "ms", better: "lower" }],
    rounds: 20,
    sample: ({ control }) =>
      withJob(control!, async (open) => [[
        await timed(async () => {
          const client = new EngineClient(await open());
          await client.call("GET", "/_ping");
          client.close();
        }),
      ]]),
  };
}

function idleMeasurement(count: number): Measurement {
  return {
    series: [{ name: `daemon with ${count} idle jobs`, unit: "MiB", better: "lower" }],
    rounds: 1,
    sample: async ({ control, pid }) => {
      const ids = Array.from({ length: count }, (_, index) => `idle-${index}`);
      try {
        for (const id of ids) await control!.openJob({ id });
        return [[memoryMib(pid!)]];
      } finally {
        for (const id of ids) await control!.closeJob({ id }).catch(() => {});
      }
    },
  };
}

function pullMeasurement(): Measurement {
  const undo = new Undo("pull");
  let reference = "";
  const pullPath = () => `/images/create?fromImage=${encodeURIComponent(reference)}&tag=1`;
  return {
    series: [{ name: "pull of an image that another job pulled", unit: "ms", better: "lower" }],
    rounds: 10,
    prepare: async ({ client }) => {
      const registry = await startRegistry(undo);
      reference = `${registry.host}/bench`;
      await registry.push(await buildImage(), "bench", "1");
      await client.call("POST", pullPath());
    },
    sample: ({ control }) =>
      withJob(control!, async (open) => {
        const client = new EngineClient(await open());
        const took = await timed(() => client.call("POST", pullPath()));
        client.close();
        return [[took]];
      }),
    cleanUp: () => undo.run(),
  };
}

let jobsOpened = 0;

async function withJob<T>(
  control: NonNullable<Engine["control"]>,
  work: (open: () => Promise<string>) => Promise<T>,
): Promise<T> {
  const id = `bench-${++jobsOpened}`;
  try {
    return await work(async () => (await control.openJob({ id })).job!.socketPath);
  } finally {
    await control.closeJob({ id }).catch(() => {});
  }
}
