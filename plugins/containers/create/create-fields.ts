/**
 * Every field of `POST /containers/create`, API 1.51: what is honoured, which values mean nothing, what policy refuses.
 * Whatever else a client sends is refused by name; empty values of fields that nobody knows are fine, because newer
 * clients send defaults of fields that are newer than this table.
 */

/** The type an honoured value must have. */
export type Shape = "string" | "boolean" | "integer" | "strings" | "words" | "labels" | "set" | "size";

/** What happens to a field. Empty values (null, false, 0, "", [], {}) are always accepted unless `exact`. */
export type Rule =
  /** Done as asked. */
  | { readonly honoured: Shape }
  /** Not done; these values ask for nothing and are accepted. Others: 400. */
  | { readonly neutral: readonly unknown[] }
  /** Reaches out of the container; these values ask for nothing. Others: 403 naming the key of the policy. */
  | { readonly policy: string; readonly neutral: readonly unknown[]; readonly exact?: boolean }
  /** An object whose fields have rules of their own. */
  | { readonly fields: Rules }
  /** An object of such objects, by names of the client's choice. */
  | { readonly each: Rules };

export type Rules = Readonly<Record<string, Rule>>;

const honoured = (shape: Shape): Rule => ({ honoured: shape });
const refused = (...neutral: unknown[]): Rule => ({ neutral });
const privilege = (key: string, ...neutral: unknown[]): Rule => ({ policy: key, neutral });

/** Hidden from containers: they tell about, or act on, the whole host. Source: Docker Engine 28, MaskedPaths. */
export const maskedPaths: readonly string[] = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Visible and not to be changed. Source: Docker Engine 28, ReadonlyPaths. */
export const readonlyPaths: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** The size of /dev/shm when nobody asks for another, in bytes. */
export const defaultShmSize = 64 * 1024 * 1024;

const restartPolicy: Rules = { Name: refused("no"), MaximumRetryCount: refused() };

const logConfig: Rules = { Type: refused("json-file", "local"), Config: refused() };

const hostConfig: Rules = {
  // Honoured.
  AutoRemove: honoured("boolean"),
  ConsoleSize: honoured("size"),
  NetworkMode: honoured("string"),
  // Where a container's files come from.
  Binds: refused(),
  Mounts: refused(),
  VolumeDriver: refused("local"),
  VolumesFrom: refused(),
  Tmpfs: refused(),
  ReadonlyRootfs: refused(),
  StorageOpt: refused(),
  ShmSize: refused(defaultShmSize),
  ContainerIDFile: refused(),
  // How long it lives and what it says.
  RestartPolicy: { fields: restartPolicy },
  LogConfig: { fields: logConfig },
  Init: refused(),
  Annotations: refused(),
  // Its network.
  PortBindings: refused(),
  PublishAllPorts: refused(),
  Dns: refused(),
  DnsOptions: refused(),
  DnsSearch: refused(),
  ExtraHosts: refused(),
  Links: refused(),
  Sysctls: refused(),
  // Its limits.
  CpuShares: refused(),
  Memory: refused(),
  NanoCpus: refused(),
  BlkioWeight: refused(),
  BlkioWeightDevice: refused(),
  BlkioDeviceReadBps: refused(),
  BlkioDeviceWriteBps: refused(),
  BlkioDeviceReadIOps: refused(),
  BlkioDeviceWriteIOps: refused(),
  CpuPeriod: refused(),
  CpuQuota: refused(),
  CpuRealtimePeriod: refused(),
  CpuRealtimeRuntime: refused(),
  CpusetCpus: refused(),
  CpusetMems: refused(),
  KernelMemory: refused(),
  KernelMemoryTCP: refused(),
  MemoryReservation: refused(),
  MemorySwap: refused(-1),
  MemorySwappiness: refused(-1),
  OomKillDisable: refused(),
  OomScoreAdj: refused(),
  PidsLimit: refused(-1),
  Ulimits: refused(),
  CpuCount: refused(),
  CpuPercent: refused(),
  IOMaximumIOps: refused(),
  IOMaximumBandwidth: refused(),
  // Who it runs as, and what that may do.
  GroupAdd: refused(),
  CapDrop: refused(),
  Runtime: refused("runc"),
  Isolation: refused("default"),
  Cgroup: refused(),
  CapAdd: privilege("capabilities"),
  CgroupParent: privilege("cgroupParent"),
  CgroupnsMode: privilege("hostNamespaces", "private"),
  DeviceCgroupRules: privilege("devices"),
  DeviceRequests: privilege("devices"),
  Devices: privilege("devices"),
  IpcMode: privilege("hostNamespaces", "private"),
  MaskedPaths: { policy: "privileged", neutral: [maskedPaths], exact: true },
  PidMode: privilege("hostNamespaces"),
  Privileged: privilege("privileged"),
  ReadonlyPaths: { policy: "privileged", neutral: [readonlyPaths], exact: true },
  SecurityOpt: privilege("securityOptions"),
  UsernsMode: privilege("hostNamespaces"),
  UTSMode: privilege("hostNamespaces"),
};

const endpoint: Rules = {
  IPAMConfig: refused({}),
  Links: refused(),
  Aliases: refused(),
  MacAddress: refused(),
  DriverOpts: refused(),
  GwPriority: refused(),
  // Results, not wishes: clients send back what an inspect gave them.
  NetworkID: honoured("string"),
  EndpointID: honoured("string"),
  Gateway: honoured("string"),
  IPAddress: honoured("string"),
  IPPrefixLen: honoured("integer"),
  IPv6Gateway: honoured("string"),
  GlobalIPv6Address: honoured("string"),
  GlobalIPv6PrefixLen: honoured("integer"),
  DNSNames: honoured("strings"),
};

/** The whole body. */
export const createFields: Rules = {
  Hostname: honoured("string"),
  Domainname: honoured("string"),
  User: honoured("string"),
  AttachStdin: honoured("boolean"),
  AttachStdout: honoured("boolean"),
  AttachStderr: honoured("boolean"),
  ExposedPorts: honoured("set"),
  Tty: honoured("boolean"),
  OpenStdin: honoured("boolean"),
  StdinOnce: honoured("boolean"),
  Env: honoured("strings"),
  Cmd: honoured("words"),
  Image: honoured("string"),
  WorkingDir: honoured("string"),
  Entrypoint: honoured("words"),
  Labels: honoured("labels"),
  StopSignal: honoured("string"),
  StopTimeout: honoured("integer"),
  // Shown by inspect, and of no effect on a container.
  Shell: honoured("strings"),
  OnBuild: honoured("strings"),
  ArgsEscaped: refused(),
  Healthcheck: { fields: healthcheck() },
  Volumes: refused(),
  NetworkDisabled: refused(),
  MacAddress: refused(),
  // dockerode sends the query's parameters in the body too; those of the query count.
  name: honoured("string"),
  platform: honoured("string"),
  HostConfig: { fields: hostConfig },
  NetworkingConfig: { fields: { EndpointsConfig: { each: endpoint } } },
};

function healthcheck(): Rules {
  return {
    Test: refused(["NONE"]),
    Interval: refused(),
    Timeout: refused(),
    StartPeriod: refused(),
    StartInterval: refused(),
    Retries: refused(),
  };
}
