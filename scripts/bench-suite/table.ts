import { cpus, totalmem } from "node:os";
import type { Engine } from "./engine.ts";
import { median, type Result } from "./measure.ts";

/** The results as a markdown table: medians, and the first engine's share of the second's. */
export function markdownTable(results: readonly Result[], engines: readonly Engine[]): string {
  const names = engines.map(({ name }) => name);
  const head = ["", ...names, ...(engines.length > 1 ? ["ratio"] : []), "better"];
  const rows = results.map((result) => row(result, engines));
  const lines = [head, head.map((_, index) => index === 0 ? "---" : "--:"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function row(result: Result, engines: readonly Engine[]): string[] {
  const values = engines.map((engine) => {
    const samples = result.samples.get(engine) ?? [];
    return samples.length > 0 ? median(samples) : undefined;
  });
  const cells = values.map((value) => value === undefined ? "—" : `${short(value)} ${result.unit}`);
  const [own, other] = values;
  const ratio = own !== undefined && other !== undefined ? (own / other).toFixed(2) : "";
  return [result.name, ...cells, ...(engines.length > 1 ? [ratio] : []), result.better];
}

/** Three digits that matter. */
export function short(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** When and where: figures mean nothing without. */
export function machineLine(): string {
  const [cpu] = cpus();
  const memoryGib = Math.round(totalmem() / 1024 ** 3);
  return `${
    new Date().toISOString().slice(0, 10)
  }, ${cpus().length} × ${cpu?.model.trim()}, ${memoryGib} GiB`;
}

/** Everything, for whoever wants to draw it. */
export function jsonText(results: readonly Result[], engines: readonly Engine[]): string {
  const plain = results.map(({ samples, failures, ...series }) => ({
    ...series,
    engines: engines.map((engine) => ({
      name: engine.name,
      samples: samples.get(engine) ?? [],
      failure: failures.get(engine),
    })),
  }));
  return JSON.stringify({ machine: machineLine(), results: plain }, null, 2);
}
