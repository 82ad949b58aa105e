/**
 * Prints how long the steps of a container's life take on this machine, as medians in milliseconds. Not a test: run it
 * by hand, with the number of rounds as argument (default 30).
 */
import { Undo } from "../../core/support/undo.ts";
import { specOf, startRig } from "./tasks-support.ts";

const rounds = Number(process.argv[2] ?? 30);
const undo = new Undo("measurement");
const print = (line: string) => process.stdout.write(`${line}\n`);
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

try {
  const rig = await startRig(undo);
  const engine = await rig.engine(undo, "measure");
  const steps = { create: [], start: [], exit: [], sum: [] } as Record<
    string,
    number[]
  >;
  const timed = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    const begin = performance.now();
    const result = await work();
    steps[step]?.push(performance.now() - begin);
    return result;
  };
  const removals: Promise<void>[] = [];
  for (let round = 0; round < rounds; round++) {
    const spec = specOf(rig.image, ["true"]);
    await timed("sum", async () => {
      await timed("create", () => engine.create(spec));
      const running = await timed("start", () => engine.start(spec.id, () => {}));
      await timed("exit", () => running.exited);
    });
    // Nobody waits for it, and nobody should: see `ShimGroups`.
    removals.push(engine.remove(spec.id));
  }
  await Promise.all(removals);
  for (const [step, values] of Object.entries(steps)) {
    if (values.length > 0) print(`${step.padEnd(8)} ${median(values).toFixed(1)} ms`);
  }
  const eight = performance.now();
  await Promise.all(Array.from({ length: 8 }, async () => {
    const spec = specOf(rig.image, ["true"]);
    await engine.create(spec);
    await (await engine.start(spec.id, () => {})).exited;
    removals.push(engine.remove(spec.id));
  }));
  print(`eight at once: ${(8000 / (performance.now() - eight)).toFixed(1)} containers a second`);
  await Promise.all(removals);
} finally {
  await undo.run();
}
