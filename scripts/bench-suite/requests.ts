/** Requests that touch no container: ping and list. */
import { load } from "./client.ts";
import { create, remove, timed } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { type Measurement, median } from "./measure.ts";

const listPath = "/v1.43/containers/json?all=1";

export function requestMeasurements(quick: boolean): Measurement[] {
  const durationMs = quick ? 500 : 1500;
  return [
    {
      series: [{ name: "ping latency, 1 connection", unit: "µs", better: "lower" }],
      rounds: 5,
      // A compiler at run time takes some ten thousand requests to do its work.
      prepare: ({ client }) => load(client.socketPath, "/_ping", { connections: 16, durationMs: 2000 }),
      sample: async ({ client }) => {
        const { latenciesMs } = await load(client.socketPath, "/_ping", { connections: 1, durationMs });
        return [[median(latenciesMs) * 1000]];
      },
    },
    {
      series: [{ name: "ping throughput, 16 connections", unit: "req/s", better: "higher" }],
      rounds: 5,
      prepare: ({ client }) => load(client.socketPath, "/_ping", { connections: 16, durationMs: 500 }),
      sample: async ({ client }) => {
        return [[(await load(client.socketPath, "/_ping", { connections: 16, durationMs })).perSecond]];
      },
    },
    listMeasurement("list, no container", 0),
    listMeasurement("list, 50 containers", 50),
  ];
}

function listMeasurement(name: string, count: number): Measurement {
  const made = new Map<Engine, string[]>();
  return {
    series: [{ name, unit: "ms", better: "lower" }],
    rounds: 5,
    prepare: async (engine) => {
      const ids: string[] = [];
      made.set(engine, ids);
      while (ids.length < count) ids.push(await create(engine.client, ["true"]));
    },
    sample: async ({ client }) => {
      const times: number[] = [];
      for (let index = 0; index < 20; index++) times.push(await timed(() => client.call("GET", listPath)));
      return [times];
    },
    cleanUp: async (engine) => {
      for (const id of made.get(engine) ?? []) await remove(engine.client, id);
    },
  };
}
