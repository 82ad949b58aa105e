/** Containers from create to remove: over the API, eight at once, and with the CLI. */
import { spawn } from "node:child_process";
import { create, lifecycles, remove, start, timed, wait } from "./containers.ts";
import { imageName } from "./engine.ts";
import type { Measurement, Series } from "./measure.ts";

const ms = (name: string): Series => ({ name, unit: "ms", better: "lower" });

export function lifecycleMeasurements(quick: boolean, dockerPath: string): Measurement[] {
  const count = quick ? 8 : 16;
  return [
    {
      series: [
        ms("create + start + wait + remove"),
        ms("— create"),
        ms("— start"),
        ms("— wait"),
        ms("— remove"),
      ],
      rounds: quick ? 8 : 30,
      prepare: ({ client }) => lifecycles(client, 3, 1),
      sample: async ({ client }) => {
        let id = "";
        const steps = [
          await timed(async () => id = await create(client, ["true"])),
          await timed(() => start(client, id)),
          await timed(() => wait(client, id)),
          await timed(() => remove(client, id)),
        ];
        return [steps.reduce((all, each) => all + each), ...steps].map((value) => [value]);
      },
    },
    {
      series: [{ name: "the same, 8 at once", unit: "containers/s", better: "higher" }],
      rounds: 3,
      sample: async ({ client }) => [[count / await timed(() => lifecycles(client, count, 8)) * 1000]],
    },
    {
      series: [ms("docker run --rm, CLI")],
      rounds: quick ? 5 : 15,
      sample: async ({ client }) => [[await timed(() => dockerRun(dockerPath, client.socketPath))]],
    },
  ];
}

function dockerRun(dockerPath: string, socketPath: string): Promise<void> {
  const env = { ...process.env, DOCKER_HOST: `unix://${socketPath}` };
  const child = spawn(dockerPath, ["run", "--rm", imageName, "true"], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once(
      "exit",
      (code) => code === 0 ? resolve() : reject(new Error(`docker run exited with ${code}`)),
    );
  });
}
