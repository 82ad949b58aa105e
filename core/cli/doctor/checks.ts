import { lookAtCgroups } from "./cgroups.ts";
import { type Finding, type HostCheck, lookApart, lookByRunning, lookForSocket } from "./check.ts";
import { lookAtCni } from "./cni.ts";
import type { HostNeeds } from "./needs.ts";
import { lookAtOverlay } from "./overlay.ts";

/** Everything that is checked, in the order it is told. */
export function hostChecks({ dataDir, containerd, cniDirs }: HostNeeds): HostCheck[] {
  return [
    root,
    ...containerd ? containerdChecks(containerd) : [],
    ...cniDirs ? networkPrograms(cniDirs) : [],
    ...[...kernel(dataDir), ...cniDirs ? networkKernel : []].map(askedAsRoot),
  ];
}

const root: HostCheck = {
  name: "root",
  neededFor: "containers, mounts and networks",
  required: true,
  advice: "run berth as root",
  look: () => Promise.resolve(lookAtUser()),
};

function containerdChecks(containerd: NonNullable<HostNeeds["containerd"]>): HostCheck[] {
  return [
    ..."address" in containerd ? [runningContainerd(containerd.address)] : [
      program(containerd.binary, "containers and images", "containerd", "--version"),
      program("containerd-shim-runc-v2", "running containers", "containerd", "-v"),
      program(containerd.runc, "running containers", "runc", "--version"),
    ],
    program("mkfifo", "containers' input and output", "coreutils", "--version"),
    program("mount", "images", "mount", "--version"),
    program("umount", "images and networks", "mount", "--version"),
    program("unshare", "networks, and these checks", "util-linux", "--version"),
  ];
}

/** What it needs itself is its own business. */
const runningContainerd = (address: string): HostCheck => ({
  name: "containerd",
  neededFor: "containers and images",
  advice: `start the containerd of plugins.containerd.address, or leave that out of the config`,
  required: true,
  look: () => lookForSocket(address),
});

const networkPrograms = (cniDirs: readonly string[]): HostCheck[] => [
  {
    name: "cni plugins",
    neededFor: "networks",
    package: "containernetworking-plugins",
    required: true,
    look: () => lookAtCni(cniDirs),
  },
  program("ip", "networks", "iproute2", "-V"),
  program("iptables", "networks", "iptables", "--version"),
  program("iptables-save", "networks", "iptables", "--version"),
  program("iptables-restore", "networks", "iptables", "--version"),
  program("nsenter", "networks", "util-linux", "--version"),
];

const kernel = (dataDir: string): HostCheck[] => [
  {
    name: "cgroups",
    neededFor: "limits and statistics",
    advice: "mount them: a container needs /sys/fs/cgroup writable",
    required: true,
    look: lookAtCgroups,
  },
  {
    name: "overlayfs",
    neededFor: "containers' file systems",
    advice:
      `the kernel needs overlay, and ${dataDir} a file system that can be its upper layer (ext4, xfs, tmpfs)`,
    required: true,
    look: () => lookAtOverlay(dataDir),
  },
  {
    name: "namespaces",
    neededFor: "containers",
    required: true,
    look: () =>
      lookApart(["-m", "-u", "-i", "-n", "-p", "-f"], "echo mount, uts, ipc, net and pid can be created"),
  },
];

const networkKernel: readonly HostCheck[] = [
  {
    name: "bridge and veth",
    neededFor: "networks",
    advice: "the kernel needs bridge and veth",
    required: true,
    look: () =>
      lookApart(
        ["-n"],
        "ip link add b0 type bridge; ip link add v0 type veth peer name v1; echo can be created",
      ),
  },
  {
    name: "address translation",
    neededFor: "containers' way out",
    advice: "the kernel needs netfilter's nat table",
    required: true,
    look: () =>
      lookApart(["-n"], "iptables -w -t nat -A POSTROUTING -j MASQUERADE; echo works in a network namespace"),
  },
];

function program(name: string, neededFor: string, debianPackage: string, versionFlag: string): HostCheck {
  return {
    name,
    neededFor,
    package: debianPackage,
    required: true,
    look: () => lookByRunning(name, versionFlag),
  };
}

/** A check that only root can make: anybody else learns nothing from its failure. */
function askedAsRoot(check: HostCheck): HostCheck {
  if (process.getuid?.() === 0) return check;
  const unknown = { ok: false, detail: "only root can find out" };
  return { ...check, advice: undefined, look: () => Promise.resolve(unknown) };
}

function lookAtUser(): Finding {
  const user = process.getuid?.();
  return { ok: user === 0, detail: user === 0 ? "running as root" : `running as user ${user}` };
}
