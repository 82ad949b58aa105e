import type { Engine } from "./engine.ts";

/** One column of the table. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  /** Which way is better: times go down, rates go up. */
  readonly better: "lower" | "higher";
}

/** Something done the same way on every engine, round by round in turn. */
export interface Measurement {
  readonly series: readonly Series[];
  readonly rounds: number;
  /** Done on every engine before the first round, not measured. */
  prepare?(engine: Engine): Promise<unknown>;
  /** One round: for each series one or more samples. */
  sample(engine: Engine): Promise<readonly (readonly number[])[]>;
  /** Done on every engine after the last round. */
  cleanUp?(engine: Engine): Promise<unknown>;
}

/** The samples of one series, by engine. */
export interface Result extends Series {
  readonly samples: ReadonlyMap<Engine, readonly number[]>;
  /** Why an engine has none. */
  readonly failures: ReadonlyMap<Engine, string>;
}

/** Runs a measurement: engines take turns, and who goes first alternates. An engine that fails is left out. */
export async function measure(measurement: Measurement, engines: readonly Engine[]): Promise<Result[]> {
  const samples = measurement.series.map(() => new Map<Engine, number[]>());
  const failures = new Map<Engine, string>();
  const attempt = async (engine: Engine, work: () => Promise<unknown>) => {
    if (failures.has(engine)) return;
    await work().catch((error: Error) => failures.set(engine, error.message));
  };
  for (const engine of engines) await attempt(engine, async () => await measurement.prepare?.(engine));
  for (let round = 0; round < measurement.rounds; round++) {
    for (const engine of round % 2 ? [...engines].reverse() : engines) {
      await attempt(engine, async () => {
        const found = await measurement.sample(engine);
        found.forEach((values, index) => {
          const all = samples[index]!;
          all.set(engine, [...all.get(engine) ?? [], ...values]);
        });
      });
    }
  }
  for (const engine of engines) await measurement.cleanUp?.(engine).catch(() => {});
  return measurement.series.map((series, index) => ({ ...series, samples: samples[index]!, failures }));
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
