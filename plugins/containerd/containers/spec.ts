import type { ContainerSpec } from "../../containers/backend.ts";
import { capabilitySets } from "./capabilities.ts";
import { environmentOf } from "./environment.ts";
import { defaultMounts } from "./mounts.ts";
import type { SeccompFilter } from "./seccomp.ts";
import type { ProcessUser } from "./users.ts";

/** What a specification needs besides the container's own settings. */
export interface SpecHost {
  readonly user: ProcessUser;
  /** Bound network namespace; undefined makes a new one with loopback only. */
  readonly networkNamespace?: string;
  /** Directory of the container's hosts, hostname and resolv.conf. */
  readonly etcDir: string;
  /** Absolute within the cgroup hierarchies. */
  readonly cgroupsPath: string;
  /** Containers with the same group share one shim process. */
  readonly shimGroup: string;
  /** Whether the host has only the unified hierarchy: the container then gets a cgroup namespace, as Docker does. */
  readonly unifiedCgroups: boolean;
  /** Which system calls the container may make; undefined: all. */
  readonly seccomp?: SeccompFilter;
}

/** Makes containerd's shim serve all containers that carry the same value. Source: containerd, runc v2 shim. */
const groupAnnotation = "io.containerd.runc.v2.group";

type DeviceRule = { allow: boolean; type?: string; major?: number; minor?: number; access: string };

/** Everything is denied but the devices that runc makes in /dev anyway. */
const deviceRules: readonly DeviceRule[] = [
  { allow: false, access: "rwm" },
  ...[[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0]].map(([major, minor]) => (
    { allow: true, type: "c", major, minor, access: "rwm" }
  )),
];

/** Lets any user listen on any port and ping, as Docker does: the network namespace is the container's own. */
const networkSysctls = {
  "net.ipv4.ip_unprivileged_port_start": "0",
  "net.ipv4.ping_group_range": "0 2147483647",
};

/** An OCI runtime specification, the parts that are written here. Source: OCI runtime spec 1.0.2. */
export type RuntimeSpec = ReturnType<typeof runtimeSpec>;

/** The OCI runtime specification of a container with Docker's defaults for everything the request does not say. */
export function runtimeSpec(container: ContainerSpec, host: SpecHost) {
  return {
    ociVersion: "1.0.2",
    process: processOf(container, host.user),
    root: { path: "rootfs", readonly: false },
    hostname: container.hostname,
    mounts: defaultMounts(host.etcDir),
    annotations: { [groupAnnotation]: host.shimGroup },
    linux: linuxOf(container, host),
  };
}

function processOf(container: ContainerSpec, user: ProcessUser) {
  const { consoleSize } = container;
  return {
    terminal: container.tty,
    consoleSize: container.tty && consoleSize
      ? { width: consoleSize.columns, height: consoleSize.rows }
      : undefined,
    user: { uid: user.uid, gid: user.gid, additionalGids: [user.gid, ...user.additionalGids] },
    args: container.args,
    env: environmentOf(container),
    cwd: container.workingDir,
    capabilities: capabilitySets(user.uid),
    noNewPrivileges: false,
    oomScoreAdj: 0,
  };
}

function linuxOf(container: ContainerSpec, host: SpecHost) {
  const namespaces: { type: string; path?: string }[] = [
    { type: "mount" },
    { type: "network", path: host.networkNamespace },
    { type: "uts" },
    { type: "pid" },
    { type: "ipc" },
  ];
  if (host.unifiedCgroups) namespaces.push({ type: "cgroup" });
  const sysctl: Record<string, string> = { ...networkSysctls };
  // The OCI specification 1.0 has no field for it; the kernel takes it as a setting of the UTS namespace.
  if (container.domainname) sysctl["kernel.domainname"] = container.domainname;
  return {
    sysctl,
    cgroupsPath: host.cgroupsPath,
    resources: { devices: deviceRules },
    namespaces,
    seccomp: host.seccomp,
    maskedPaths: container.maskedPaths,
    readonlyPaths: container.readonlyPaths,
  };
}
