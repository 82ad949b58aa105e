import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlClient, controlClient } from "../../core/control/client.ts";
import { root } from "../tests/root.ts";
import { EngineClient } from "./client.ts";
import { listenerOf } from "./memory.ts";

/** One side of the comparison. */
export interface Engine {
  readonly name: string;
  readonly client: EngineClient;
  /** The daemon's process, where it can be seen. */
  readonly pid?: number;
  /** A Berth of the benchmark's own, for what only Berth does. */
  readonly control?: ControlClient;
}

/** The image that every measurement runs. */
export const imageName = "berth-bench:latest";

/** An engine that runs already. */
export function runningEngine(name: string, address: string): Engine {
  const socketPath = address.replace(/^unix:\/\//, "");
  return { name, client: new EngineClient(socketPath), pid: listenerOf(socketPath) };
}

/** Starts Berth on a temporary data directory, with one job. BERTH_RUNTIME says on which runtime. */
export async function startBerth(): Promise<Engine & { stop: () => Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), "berth-bench-"));
  const child = spawn(join(root, "scripts/berth"), ["serve", "--data-dir", dataDir, "--until-stdin-ends"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stderr!.pipe(createWriteStream(join(dataDir, "bench.log")));
  await new Promise((resolve, reject) => {
    child.stdout!.once("data", resolve);
    child.once(
      "exit",
      (code) => reject(new Error(`the daemon exited with ${code}; see ${dataDir}/bench.log`)),
    );
  });
  const control = controlClient(dataDir);
  const { job } = await control.openJob({ id: "bench" });
  const { processId } = await control.getDaemon({});
  return {
    name: `Berth on ${process.env["BERTH_RUNTIME"] ?? "node"}`,
    client: new EngineClient(job!.socketPath),
    pid: processId,
    control,
    stop: () => stop(child, dataDir),
  };
}

async function stop(child: ChildProcess, dataDir: string): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.stdin!.end();
  await exited;
  rmSync(dataDir, { recursive: true, force: true });
}

/** Makes the image on the spot and loads it. */
export async function loadImage(engines: readonly Engine[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "berth-bench-image-"));
  try {
    const file = join(folder, "image.tar");
    execFileSync(join(root, "scripts/busybox-image"), [file, imageName]);
    const archive = execFileSync("cat", [file], { maxBuffer: 1 << 26 });
    for (const { client } of engines) await client.call("POST", "/images/load?quiet=1", archive);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
