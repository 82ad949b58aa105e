/**
 * Compares Berth with another engine: the same operations, in turn, medians and ratios.
 *
 *     scripts/bench [--vs unix:///path/to/docker.sock] [--socket unix://…] [--quick] [--only PART] [--json FILE]
 *
 * Starts a Berth of its own unless --socket names one. Without --vs it measures Berth alone.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Engine, imageName, loadImage, runningEngine, startBerth } from "./engine.ts";
import { imageMeasurements } from "./images.ts";
import { jobMeasurements } from "./jobs.ts";
import { lifecycleMeasurements } from "./lifecycle.ts";
import { measure, type Measurement, median, type Result } from "./measure.ts";
import { memoryMeasurement } from "./memory-use.ts";
import { requestMeasurements } from "./requests.ts";
import { streamMeasurements } from "./streams.ts";
import { jsonText, machineLine, markdownTable, short } from "./table.ts";

const { values: flags } = parseArgs({
  options: {
    vs: { type: "string" },
    socket: { type: "string" },
    docker: { type: "string", default: "docker" },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "string" },
  },
});

async function run(own: Engine, engines: readonly Engine[]): Promise<Result[]> {
  const results: Result[] = [];
  const add = async (measurements: readonly Measurement[], among: readonly Engine[]) => {
    for (const each of measurements) {
      if (flags.only && !each.series.some(({ name }) => name.includes(flags.only!))) continue;
      results.push(...report(await measure(each, among), among));
    }
  };
  await add(requestMeasurements(flags.quick), engines);
  await add(lifecycleMeasurements(flags.quick, flags.docker), engines);
  await add(streamMeasurements(flags.quick), engines);
  await add([memoryMeasurement()], engines);
  await add(imageMeasurements(flags.quick), engines);
  if (own.control) await add(jobMeasurements(flags.quick), [own]);
  return results;
}

/** Tells how it goes while it goes. */
function report(results: readonly Result[], engines: readonly Engine[]): readonly Result[] {
  for (const { name, unit, samples, failures } of results) {
    const cells = engines.map((engine) => {
      const values = samples.get(engine) ?? [];
      return `${engine.name}: ${
        values.length > 0 ? `${short(median(values))} ${unit}` : failures.get(engine) ?? "—"
      }`;
    });
    console.error(`${name.padEnd(42)} ${cells.join("   ")}`);
  }
  return results;
}

const berth = flags.socket ? undefined : await startBerth();
try {
  const own = berth ?? runningEngine("Berth", flags.socket!);
  const engines = flags.vs ? [own, runningEngine("the other engine", flags.vs)] : [own];
  await loadImage(engines);
  const results = await run(own, engines);
  console.log(`${machineLine()}\n\n${markdownTable(results, engines)}`);
  if (flags.json) writeFileSync(flags.json, jsonText(results, engines));
  // Another benchmark beside this one may have removed it.
  if (flags.vs) await engines[1]!.client.call("DELETE", `/images/${imageName}?force=1`).catch(() => {});
  for (const { client } of engines) client.close();
} finally {
  await berth?.stop();
}
