/**
 * Records what Docker Engine answers to {@link play}, for CI to compare with: `scripts/record-oracle SOCKET`.
 * Run it again when a step is added, with the engine on this host: it pulls from a registry on loopback; the file names the engine's version and the day.
 */
import { writeFile } from "node:fs/promises";
import { Undo } from "../../core/support/undo.ts";
import { must } from "../support/engine-api.ts";
import { startRegistry } from "../support/registry.ts";
import { play } from "./play.ts";
import { recordingPath } from "./recording.ts";

const socketPath = process.argv[2]?.replace(/^unix:\/\//, "");
if (!socketPath) throw new Error("usage: record-oracle unix:///path/to/docker.sock");

const { Version, ApiVersion } = (await must(200, socketPath, "GET", "/version")).json;
const undo = new Undo("the recording");
const answers = await startRegistry(undo).then((registry) => play(socketPath, registry)).finally(() =>
  undo.run()
);
const recorded = {
  engine: `Docker Engine ${Version}`,
  api: ApiVersion,
  date: new Date().toISOString().slice(0, 10),
  answers,
};
await writeFile(recordingPath, JSON.stringify(recorded, null, 1) + "\n");
console.log(`${Object.keys(answers).length} answers of Docker Engine ${Version} recorded`);
