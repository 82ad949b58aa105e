import type { DaemonFacts } from "../../core/kernel/plugin.ts";
import type { Job } from "../../core/kernel/job.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import type { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { SharedImages } from "../../plugins/containerd/images/shared-images.ts";
import { ContainerdImageStore } from "../../plugins/containerd/images/store.ts";
import { JobLease } from "../../plugins/containerd/lease.ts";
import type { Settings } from "../../plugins/containerd/settings.ts";

export const testSettings: Settings = {
  binary: "containerd",
  runtime: "io.containerd.runc.v2",
  runc: "runc",
  seccompProfile: "",
  snapshotter: "overlayfs",
  logLevel: "warn",
  concurrentLayers: 3,
  concurrentDownloads: 8,
  concurrentUnpacks: 4,
  maxLayers: 128,
  maxConfigBytes: 8 * 1024 * 1024,
  maxAttestationBytes: 1024 * 1024,
  maxLayerBytes: 1024 ** 3,
  maxLayerFiles: 100_000,
  maxImageBytes: 4 * 1024 ** 3,
  maxImageFiles: 200_000,
};

/** A daemon with these jobs open. */
export const daemonWith = (jobs: readonly string[]): DaemonFacts => ({
  version: "0.0.0",
  runtime: "test",
  dataDir: "/nonexistent",
  id: "aaaaaaaa",
  startedAt: new Date(),
  log: silent,
  liveJobs: () => jobs,
});

export function jobNamed(id: string, changes: Partial<Job> = {}): Job {
  return {
    id,
    labels: {},
    dir: "/nonexistent",
    socketPath: "/nonexistent/d.sock",
    openedAt: new Date(),
    signal: new AbortController().signal,
    log: silent,
    abandoned: false,
    ...changes,
  };
}

/** The image stores of jobs on one containerd. */
export class TestStores {
  readonly shared: SharedImages;
  readonly #connection: ContainerdConnection;
  readonly #settings: Settings;

  private constructor(connection: ContainerdConnection, shared: SharedImages, settings: Settings) {
    this.#connection = connection;
    this.shared = shared;
    this.#settings = settings;
  }

  static async open(
    undo: Undo,
    connection: ContainerdConnection,
    { settings = {}, liveJobs = [] }: { settings?: Partial<Settings>; liveJobs?: readonly string[] } = {},
  ): Promise<TestStores> {
    const all = { ...testSettings, ...settings };
    const shared = new SharedImages(connection, all, daemonWith(liveJobs));
    await shared.open();
    undo.add("shared images", () => shared.close());
    return new TestStores(connection, shared, all);
  }

  /** One job's store; closing it closes the lease, too. */
  job(id: string, changes: Partial<Job> = {}) {
    const job = jobNamed(id, changes);
    const lease = new JobLease(this.#connection, job);
    const store = new ContainerdImageStore(this.#connection, this.shared, this.#settings, lease, job);
    const close = async () => {
      await store.close();
      await lease.close();
    };
    return { store, lease, close };
  }
}
