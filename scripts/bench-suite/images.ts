/** Images: list, load, save, push and pull, each time of bytes that nobody has yet. */
import { setInterval } from "node:timers";
import { Undo } from "../../core/support/undo.ts";
import { startRegistry, type TestRegistry } from "../../test/support/registry.ts";
import { archiveOf, bigImage, inGzip, manyImagesArchive } from "./big-image.ts";
import { timed } from "./containers.ts";
import type { Engine } from "./engine.ts";
import type { Measurement, Series } from "./measure.ts";
import { treeMemoryMib } from "./memory.ts";

const mb = 1_000_000;
const listed = 500;

const rate = (name: string): Series => ({ name, unit: "MB/s", better: "higher" });

/** @param quick a tenth of the sizes, once */
export function imageMeasurements(quick: boolean): Measurement[] {
  const size = { scale: quick ? 0.1 : 1, rounds: quick ? 1 : 5 };
  return [listMeasurement(), archiveMeasurement(size), pushMeasurement(size), pullMeasurement(size)];
}

interface Size {
  readonly scale: number;
  readonly rounds: number;
}

function listMeasurement(): Measurement {
  const name = "berth-bench-many";
  return {
    series: [{ name: `list, ${listed} images`, unit: "ms", better: "lower" }],
    rounds: 5,
    prepare: async ({ client }) =>
      client.call("POST", "/images/load?quiet=1", await manyImagesArchive(name, listed)),
    sample: async ({ client }) => {
      const times: number[] = [];
      while (times.length < 5) times.push(await timed(() => client.call("GET", "/v1.43/images/json")));
      return [times];
    },
    cleanUp: async ({ client }) => {
      for (let index = 0; index < listed; index++) await client.call("DELETE", `/images/${name}:${index}`);
    },
  };
}

function archiveMeasurement({ scale, rounds }: Size): Measurement {
  const sizeBytes = 500 * mb * scale;
  return {
    series: [rate(`load of ${sizeBytes / mb} MB, 5 layers`), rate("save of the same")],
    rounds,
    sample: async ({ client }) => {
      const tags = ["berth-bench-archive:1"];
      const archive = await archiveOf([{ ...await bigImage(5, sizeBytes / 5), tags }]);
      const load = await timed(() => client.call("POST", "/images/load?quiet=1", archive));
      const path = `/images/${tags[0]}/get`;
      const save = await timed(() => client.call("GET", path, undefined, { discard: true }));
      await client.call("DELETE", `/images/${tags[0]}`);
      return [[perSecond(sizeBytes, load)], [perSecond(sizeBytes, save)]];
    },
  };
}

function pushMeasurement({ scale, rounds }: Size): Measurement {
  const sizeBytes = 200 * mb * scale;
  return withRegistry((registry) => ({
    series: [rate(`push of a fresh ${sizeBytes / mb} MB layer`)],
    rounds,
    sample: async ({ client }) => {
      const name = `${registry().host}/bench-push`;
      const archive = await archiveOf([{ ...await bigImage(1, sizeBytes), tags: [`${name}:1`] }]);
      await client.call("POST", "/images/load?quiet=1", archive);
      const took = await timed(() => finishes(client.push(name, "1")));
      await client.call("DELETE", `/images/${name}:1`);
      return [[perSecond(sizeBytes, took)]];
    },
  }));
}

function pullMeasurement({ scale, rounds }: Size): Measurement {
  const sizeBytes = 500 * mb * scale;
  let pulls = 0;
  return withRegistry((registry) => ({
    series: [
      rate(`cold pull of ${sizeBytes / mb} MB, 5 layers`),
      { name: "daemon and its engine at most meanwhile", unit: "MiB", better: "lower" },
    ],
    rounds,
    sample: async ({ client, pid }: Engine) => {
      const repository = `bench-pull-${++pulls}`;
      await registry().push(inGzip(await bigImage(5, sizeBytes / 5)), repository, "1");
      const name = `${registry().host}/${repository}`;
      const path = `/images/create?fromImage=${encodeURIComponent(name)}&tag=1`;
      const peak = watchMemory(pid);
      const took = await timed(() => finishes(client.call("POST", path)));
      const peakMib = peak();
      await client.call("DELETE", `/images/${name}:1`);
      return [[perSecond(sizeBytes, took)], pid === undefined ? [] : [peakMib]];
    },
  }));
}

/** A measurement with a registry of its own while it runs. */
function withRegistry(make: (registry: () => TestRegistry) => Measurement): Measurement {
  const undo = new Undo("the benchmark's registry");
  let started: TestRegistry | undefined;
  return {
    ...make(() => started!),
    prepare: async () => started ??= await startRegistry(undo),
    cleanUp: () => undo.run(),
  };
}

/** Streams of progress tell failures in their last line. */
async function finishes(answer: Promise<{ text: string }>): Promise<void> {
  const last = (await answer).text.trim().split("\n").at(-1) ?? "";
  if (last.includes('"errorDetail"')) throw new Error(last);
}

/** Looks at a process tree's memory until asked for the highest it was, in MiB. */
function watchMemory(pid: number | undefined): () => number {
  let peak = 0;
  const look = () => pid !== undefined && (peak = Math.max(peak, treeMemoryMib(pid)));
  const timer = setInterval(look, 100);
  return () => {
    clearInterval(timer);
    look();
    return peak;
  };
}

const perSecond = (sizeBytes: number, tookMs: number) => sizeBytes / mb / (tookMs / 1000);
