import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { lookAtCgroups } from "./cgroups.ts";
import { type Finding, type HostCheck, lookApart, lookByRunning } from "./check.ts";
import { lookAtOverlay } from "./overlay.ts";

/** Where packages put the standard CNI plugins: Debian's, and the project's own releases. */
const cniDirs = ["/usr/lib/cni", "/opt/cni/bin"];
const cniPlugins = ["bridge", "host-local", "portmap", "firewall", "loopback"];

/** Everything that is checked, in the order it is told. */
export function hostChecks(dataDir: string): HostCheck[] {
  return [...programs, ...kernel(dataDir).map(askedAsRoot)];
}

const programs: readonly HostCheck[] = [
  {
    name: "root",
    neededFor: "containers, mounts and networks",
    required: true,
    advice: "run berth as root",
    look: () => Promise.resolve(lookAtUser()),
  },
  program("containerd", "containers and images", "containerd", "--version"),
  program("containerd-shim-runc-v2", "running containers", "containerd", "-v"),
  program("runc", "running containers", "runc", "--version"),
  {
    name: "cni plugins",
    neededFor: "networks",
    package: "containernetworking-plugins",
    required: true,
    look: lookAtCni,
  },
  program("ip", "networks", "iproute2", "-V"),
  program("iptables", "networks and published ports", "iptables", "--version"),
  program("iptables-restore", "networks and published ports", "iptables", "--version"),
  program("mkfifo", "containers' input and output", "coreutils", "--version"),
  program("mount", "images", "mount", "--version"),
  program("umount", "images and networks", "mount", "--version"),
  program("unshare", "networks, and these checks", "util-linux", "--version"),
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
    neededFor: "containers' way out, and published ports",
    advice: "the kernel needs netfilter's nat table",
    required: true,
    look: () =>
      lookApart(["-n"], "iptables -w -t nat -A POSTROUTING -j MASQUERADE; echo works in a network namespace"),
  },
  {
    name: "namespaces",
    neededFor: "containers",
    required: true,
    look: () =>
      lookApart(["-m", "-u", "-i", "-n", "-p", "-f"], "echo mount, uts, ipc, net and pid can be created"),
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

async function lookAtCni(): Promise<Finding> {
  const missing = new Map<string, string[]>();
  for (const dir of cniDirs) {
    const lacking = await lackingIn(dir);
    if (lacking.length === 0) return { ok: true, detail: `${cniPlugins.join(", ")} in ${dir}` };
    missing.set(dir, lacking);
  }
  return {
    ok: false,
    detail: [...missing].map(([dir, names]) => `${dir} lacks ${names.join(", ")}`).join("; "),
  };
}

async function lackingIn(dir: string): Promise<string[]> {
  const lacking: string[] = [];
  for (const name of cniPlugins) {
    await access(join(dir, name), constants.X_OK).catch(() => lacking.push(name));
  }
  return lacking;
}
