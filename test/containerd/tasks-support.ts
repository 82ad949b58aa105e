/** A private containerd with a busybox image in it, for tests of what runs containers. */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { silent } from "../../core/support/logger.ts";
import { run } from "../../core/support/spawn.ts";
import { Undo } from "../../core/support/undo.ts";
import type { JobNetwork } from "../../plugins/containerd/backend.ts";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { ContainerdEngine } from "../../plugins/containerd/containers/engine.ts";
import { type HostSettings, TaskHost } from "../../plugins/containerd/containers/task-host.ts";
import { unlessPresent } from "../../plugins/containerd/errors.ts";
import { Supervisor } from "../../plugins/containerd/supervisor.ts";
import type { StoredImage } from "../../plugins/containers/backend.ts";
export { contractSpec as specOf } from "../contract/container-engine.ts";
import { buildImage } from "../support/busybox-image.ts";
import { facts } from "../support/facts.ts";

const settings = {
  binary: "containerd",
  logLevel: "warn",
  runtime: "io.containerd.runc.v2",
  runc: "runc",
  seccompProfile: "",
  snapshotter: "overlayfs",
} as const;

/** A running containerd with everything that containers need besides a job. */
export interface Rig {
  readonly dir: string;
  readonly daemonId: string;
  readonly connection: ContainerdConnection;
  readonly supervisor: Supervisor;
  readonly host: TaskHost;
  readonly image: StoredImage;
  /** A job's engine, closed by the undo. */
  engine(undo: Undo, jobId: string, options?: EngineOptions): Promise<ContainerdEngine>;
  /** A new task host on the same containerd, as the daemon's next start has one. */
  anotherHost(liveJobs?: readonly string[], parts?: Partial<HostSettings>): TaskHost;
}

export interface EngineOptions {
  readonly network?: JobNetwork;
  readonly host?: TaskHost;
  readonly abandoned?: boolean;
}

/** Starts a containerd in a directory of its own; the undo stops it and leaves nothing. */
export async function startRig(undo: Undo): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), "berth-tasks-"));
  undo.add("directory", () => rm(dir, { recursive: true, force: true }));
  const daemonId = `t${randomBytes(4).toString("hex").slice(0, 7)}`;
  const connection = new ContainerdConnection({
    address: join(dir, "containerd", "containerd.sock"),
    namespace: "berth",
  });
  undo.add("connection", () => connection.close());
  const supervisor = new Supervisor({ dir: join(dir, "containerd"), settings, log: silent }, connection);
  undo.add("containerd", () => supervisor.close());
  await supervisor.open();
  const image = await importBusybox(connection);
  const newHost = (liveJobs: readonly string[] = [], dataDir = dir, parts: Partial<HostSettings> = {}) => {
    const daemon = facts({ dataDir, id: daemonId, liveJobs: () => liveJobs });
    return new TaskHost(connection, { ...settings, ...parts }, daemon, silent);
  };
  const host = newHost();
  undo.add("task host", () => host.close());
  await host.open();
  return {
    dir,
    daemonId,
    connection,
    supervisor,
    host,
    image,
    anotherHost: (liveJobs, parts) => newHost(liveJobs, join(dir, "second"), parts),
    async engine(jobUndo, jobId, options = {}) {
      const job = await jobOf(dir, jobId, options.abandoned ?? false);
      const engine = new ContainerdEngine(options.host ?? host, job, options.network);
      jobUndo.add(`job ${jobId}`, () => engine.close());
      return engine;
    },
  };
}

async function jobOf(dir: string, id: string, abandoned: boolean): Promise<Job> {
  const jobDir = join(dir, "jobs", id);
  await mkdir(jobDir, { recursive: true, mode: 0o700 });
  return {
    id,
    labels: {},
    dir: jobDir,
    socketPath: join(jobDir, "d.sock"),
    openedAt: new Date(),
    signal: new AbortController().signal,
    log: silent,
    abandoned,
  };
}

/** Unpacks the image by hand: these tests need no image store. */
async function importBusybox(connection: ContainerdConnection): Promise<StoredImage> {
  const built = await buildImage();
  const config = JSON.parse(built.config.toString()) as StoredImage["config"];
  const [diffId = ""] = config.rootfs.diff_ids;
  const { snapshotter } = settings;
  const labels = { "containerd.io/gc.root": "test" };
  const prepared = await unlessPresent(connection.snapshots.prepare({ snapshotter, key: "unpack", labels }));
  const source = prepared?.mounts[0]?.source ?? "";
  const layer = built.layers[0] ?? Buffer.alloc(0);
  await run("tar", ["-x", "-C", source], { stdin: layer });
  await connection.snapshots.commit({ snapshotter, key: "unpack", name: diffId, labels });
  return {
    id: built.id,
    manifest: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: built.id, sizeBytes: 1 },
    config,
    configBlob: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: built.id,
      sizeBytes: built.config.length,
    },
    layers: [{
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: diffId,
      sizeBytes: layer.length,
    }],
    layerSizesBytes: [layer.length],
    sizeBytes: layer.length,
  };
}

/** Collects a container's output as text. */
export function collector() {
  const texts = { stdout: "", stderr: "" };
  return {
    texts,
    sink: (stream: "stdout" | "stderr", chunk: Uint8Array) => {
      texts[stream] += Buffer.from(chunk).toString();
    },
  };
}
