import { access, readFile } from "node:fs/promises";
import { availableParallelism, hostname, machine, release, totalmem } from "node:os";

/** What `/info` and `/version` say about the machine. */
export interface HostFacts {
  readonly hostname: string;
  readonly kernelVersion: string;
  /** As `uname -m` says it: `x86_64`. */
  readonly machine: string;
  /** As Go and OCI say it: `amd64`. */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly cgroupVersion: "1" | "2";
  readonly ipv4Forwarding: boolean;
}

/** Node's names of processor architectures in OCI's terms, where they differ. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/** Looks at the host. Reads a handful of small files. */
export async function readHostFacts(): Promise<HostFacts> {
  const osRelease = await readOsRelease();
  return {
    hostname: hostname(),
    kernelVersion: release(),
    machine: machine(),
    architecture: architectures[process.arch] ?? process.arch,
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    operatingSystem: osRelease.get("PRETTY_NAME") ?? "Linux",
    osVersion: osRelease.get("VERSION_ID") ?? "",
    cgroupVersion: await exists("/sys/fs/cgroup/cgroup.controllers") ? "2" : "1",
    ipv4Forwarding: (await readText("/proc/sys/net/ipv4/ip_forward")).trim() === "1",
  };
}

async function readOsRelease(): Promise<Map<string, string>> {
  const text = await readText("/etc/os-release") || await readText("/usr/lib/os-release");
  const pairs = [...text.matchAll(/^(\w+)=(.*)$/gm)];
  return new Map(pairs.map(([, name, value]) => [name ?? "", (value ?? "").replace(/^(["'])(.*)\1$/, "$2")]));
}

const exists = (path: string) => access(path).then(() => true, () => false);

const readText = (path: string) => readFile(path, "utf8").catch(() => "");
