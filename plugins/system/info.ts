import type { Job } from "../../core/kernel/job.ts";
import type { DaemonFacts, Description } from "../../core/kernel/plugin.ts";
import { json, type Reply } from "../../core/kernel/reply.ts";
import { inject, optional } from "../../core/kernel/scope.ts";
import {
  DaemonToken,
  JobToken,
  type PluginDirectory,
  PluginDirectoryToken,
} from "../../core/kernel/tokens.ts";
import { type ContainerCounts, ContainerCountsToken, type ImageCounts, ImageCountsToken } from "./backend.ts";
import { type HostFacts, readHostFacts } from "./host.ts";

/** `GET /info`: the host as this job may know it, and what the job has. Claims nothing that is not served. */
export class InfoFacts {
  readonly #daemon: DaemonFacts;
  readonly #job: Job;
  readonly #plugins: PluginDirectory;
  readonly #containers: ContainerCounts | undefined;
  readonly #images: ImageCounts | undefined;

  constructor(
    @inject(DaemonToken) daemon: DaemonFacts,
    @inject(JobToken) job: Job,
    @inject(PluginDirectoryToken) plugins: PluginDirectory,
    @inject(optional(ContainerCountsToken)) containers: ContainerCounts | undefined,
    @inject(optional(ImageCountsToken)) images: ImageCounts | undefined,
  ) {
    this.#daemon = daemon;
    this.#job = job;
    this.#plugins = plugins;
    this.#containers = containers;
    this.#images = images;
  }

  async show(): Promise<Reply> {
    const [host, described] = await Promise.all([readHostFacts(), this.#plugins.describe()]);
    const warnings = described.flatMap((each) => each.warnings ?? []);
    return json({
      ...this.#counts(),
      ...hostPart(host),
      ...capabilities(host),
      ...registryPart,
      ...engineVersions(described),
      ID: `${this.#daemon.id}-${this.#job.id}`,
      ServerVersion: this.#daemon.version,
      DockerRootDir: this.#job.dir,
      SystemTime: new Date().toISOString(),
      Warnings: warnings.length > 0 ? warnings : null,
    });
  }

  #counts() {
    const { running, paused, stopped } = this.#containers?.counts() ?? { running: 0, paused: 0, stopped: 0 };
    return {
      Containers: running + paused + stopped,
      ContainersRunning: running,
      ContainersPaused: paused,
      ContainersStopped: stopped,
      Images: this.#images?.imageCount() ?? 0,
    };
  }
}

function hostPart(host: HostFacts) {
  return {
    Name: host.hostname,
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.operatingSystem,
    OSVersion: host.osVersion,
    OSType: "linux",
    Architecture: host.machine,
    NCPU: host.cpus,
    MemTotal: host.memoryBytes,
    CgroupDriver: "cgroupfs",
    CgroupVersion: host.cgroupVersion,
    HttpProxy: "",
    HttpsProxy: "",
    NoProxy: "",
    Labels: [],
  };
}

/** The resource limits are false while container creation refuses the fields that set them. */
function capabilities(host: HostFacts) {
  return {
    Driver: "overlayfs",
    DriverStatus: [],
    Plugins: { Volume: [], Network: ["bridge", "null"], Authorization: null, Log: ["json-file"] },
    MemoryLimit: false,
    SwapLimit: false,
    CpuCfsPeriod: false,
    CpuCfsQuota: false,
    CPUShares: false,
    CPUSet: false,
    PidsLimit: false,
    OomKillDisable: false,
    IPv4Forwarding: host.ipv4Forwarding,
    Debug: false,
    ExperimentalBuild: false,
    // Clients refuse `logs` for drivers they do not know; containers' logs read like this one's.
    LoggingDriver: "json-file",
    Runtimes: { runc: { path: "runc" } },
    DefaultRuntime: "runc",
    Swarm: swarmInactive,
    LiveRestoreEnabled: false,
    Isolation: "",
    InitBinary: "",
    SecurityOptions: [],
    GenericResources: null,
  };
}

/** Docker tells commits; what describes itself here has versions. */
function engineVersions(described: readonly (Description & { id: string })[]) {
  const containerd = described.find(({ id }) => id === "containerd");
  return {
    ContainerdCommit: { ID: containerd?.version ?? "" },
    RuncCommit: { ID: containerd?.details?.runc ?? "" },
    InitCommit: { ID: "" },
  };
}

const swarmInactive = {
  NodeID: "",
  NodeAddr: "",
  LocalNodeState: "inactive",
  ControlAvailable: false,
  Error: "",
  RemoteManagers: null,
};

/** Old clients ask here which registry `docker login` means. */
const registryPart = {
  IndexServerAddress: "https://index.docker.io/v1/",
  RegistryConfig: {
    IndexConfigs: { "docker.io": { Name: "docker.io", Mirrors: [], Official: true, Secure: true } },
    InsecureRegistryCIDRs: ["127.0.0.0/8", "::1/128"],
    Mirrors: null,
  },
};
