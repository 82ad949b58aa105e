/**
 * What a daemon can leave behind on a host, before and after. Other engines and other tests work on the same host at
 * the same time, so only what is new *and* bears a mark of Berth's counts: a directory of the test, a name that
 * Berth or the CNI plugins give.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../core/support/spawn.ts";

/** What to look at. */
export interface LeakScope {
  /** Data directories of the daemons under test: their files, mounts and processes count. */
  readonly directories?: readonly string[];
  /** Processes whose open descriptors and descendants count; default none. */
  readonly pids?: readonly number[];
  /**
   * Ids of the daemons under test. Interfaces, rules and control groups of other daemons are passed over then;
   * default: everybody's count.
   */
  readonly daemonIds?: readonly string[];
}

/** A host's state: by kind, the things there are. Descriptors, which have no names, are counted. */
export type HostSnapshot = Readonly<Record<string, readonly string[]>>;

/** Looks at the host. Takes some 20 ms. */
export async function snapshotHost(scope: LeakScope = {}): Promise<HostSnapshot> {
  // Alone and first: looking at the rest opens files and starts processes.
  const descriptors = await listDescriptors(scope);
  const processes = await listProcesses(scope);
  const [mounts, links, rules, files, controlGroups] = await Promise.all([
    listMounts(scope),
    listLinks(scope),
    listRules(scope),
    listFiles(scope),
    listControlGroups(scope),
  ]);
  return {
    process: processes,
    mount: mounts,
    interface: links,
    rule: rules,
    "open descriptor": descriptors,
    file: files,
    "control group": controlGroups,
  };
}

/** What the second snapshot has and the first has not, one line each: `interface: bth…`. Empty when all is clean. */
export function differences(before: HostSnapshot, after: HostSnapshot): string[] {
  return Object.entries(after).flatMap(([kind, things]) => {
    const known = countOf(before[kind] ?? []);
    return things.filter((thing) => {
      const left = known.get(thing) ?? 0;
      known.set(thing, left - 1);
      return left <= 0;
    }).map((thing) => `${kind}: ${thing}`);
  });
}

/** How {@link remains} looks. */
export interface RemainsOptions {
  /** How long to wait for what is new to go; default 3 s. */
  readonly timeoutMs?: number;
  /** Tells what may be new; default nothing. */
  readonly isMeant?: (line: string) => boolean;
}

/**
 * What is new and stays: looks again until nothing is or the time is up. For processes and descriptors, which end a
 * moment after whoever ended them was told so.
 */
export async function remains(
  before: HostSnapshot,
  scope: LeakScope,
  { timeoutMs = 3_000, isMeant = () => false }: RemainsOptions = {},
): Promise<string[]> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const left = differences(before, await snapshotHost(scope)).filter((line) => !isMeant(line));
    if (left.length === 0 || Date.now() > end) return left;
  }
}

function countOf(things: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const thing of things) counts.set(thing, (counts.get(thing) ?? 0) + 1);
  return counts;
}

const textOf = (path: string) => readFile(path, "utf8").catch(() => "");
const namesIn = (path: string) => readdir(path).catch((): string[] => []);
const bears = (text: string, marks: readonly string[]) => marks.some((mark) => text.includes(mark));

/** Engine processes, and any that a directory of the test shows up in or that descends from one of its processes. */
async function listProcesses({ directories, pids = [] }: LeakScope): Promise<string[]> {
  const all = (await namesIn("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const described = await Promise.all(all.map(async (pid) => {
    const [command, environment, stat] = await Promise.all([
      textOf(`/proc/${pid}/cmdline`),
      textOf(`/proc/${pid}/environ`),
      textOf(`/proc/${pid}/stat`),
    ]);
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { pid, command: command.replaceAll("\0", " ").trim(), environment, state, parent: Number(parent) };
  }));
  const descends = new Set(pids);
  // Children may have lower numbers than their parents, so go on until nothing is added.
  for (let size = -1; size !== descends.size;) {
    size = descends.size;
    for (const { pid, parent } of described) if (descends.has(parent)) descends.add(Number(pid));
  }
  return described.filter(({ pid, command, environment, state }) => {
    // Without a state it ended while we looked.
    if (!state || state === "Z" || state === "X") return false;
    if (descends.has(Number(pid)) && !pids.includes(Number(pid))) return true;
    if (directories) return bears(command, directories) || bears(environment, directories);
    return /^\S*(containerd|containerd-shim\S*|runc)( |$)/.test(command);
  }).map(({ pid, command }) => `${pid} ${command.slice(0, 200)}`);
}

async function listMounts({ directories = [] }: LeakScope): Promise<string[]> {
  const points = (await textOf("/proc/self/mountinfo")).split("\n").map((line) => line.split(" ")[4] ?? "");
  return points.filter((point) => bears(point, directories) || /\/netns\/(bth|berth|cni-)/.test(point));
}

async function listLinks({ daemonIds }: LeakScope): Promise<string[]> {
  const { stdout } = await run("ip", ["-json", "link", "show"]);
  const links = JSON.parse(stdout) as { ifname: string; master?: string; link_index?: number }[];
  const ours = daemonIds?.map((id) => `bth${id.slice(0, 5)}`) ?? ["bth", "berth"];
  const isOurs = (name: string) => ours.some((prefix) => name.startsWith(prefix));
  // The CNI plugins name the host's ends veth and eight digits; one without a bridge has lost its network.
  const isStray = (name: string, master?: string) => !daemonIds && !master && /^veth[0-9a-f]{8}$/.test(name);
  return links.filter(({ ifname, master }) =>
    isOurs(ifname) || isOurs(master ?? "") || isStray(ifname, master)
  )
    .map(({ ifname }) => ifname);
}

async function listRules({ daemonIds }: LeakScope): Promise<string[]> {
  const saved = await Promise.all(["iptables-save", "ip6tables-save"].map(async (program) => {
    const { stdout } = await run(program, []).catch(() => ({ stdout: "" }));
    return stdout.split("\n").map((line) => `${program === "ip6tables-save" ? "IPv6 " : ""}${line}`);
  }));
  return rulesThatCount(saved.flat(), daemonIds);
}

/** The lines of iptables-save that Berth is to answer for, without counters. */
export function rulesThatCount(lines: readonly string[], daemonIds?: readonly string[]): string[] {
  const isOurs = (line: string) =>
    daemonIds
      ? daemonIds.some((id) => line.includes(`BERTH-${id}`) || line.includes(`bth${id.slice(0, 5)}`))
      : /berth|bth/i.test(line);
  // Base chains of the CNI plugins firewall and portmap belong to nobody in particular.
  return lines.filter((line) => isOurs(line) || /\bCNI-/.test(line))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ""));
}

async function listDescriptors({ pids = [] }: LeakScope): Promise<string[]> {
  const perProcess = await Promise.all(pids.map(async (pid) => {
    const directory = `/proc/${pid}/fd`;
    const targets = (await namesIn(directory)).map((fd) => readlink(join(directory, fd)).catch(() => ""));
    return (await Promise.all(targets)).filter((target) => target && target !== directory)
      .map((target) => `${pid} ${target.replace(/:\[\d+\]$/, "")}`);
  }));
  return perProcess.flat();
}

async function listFiles({ directories = [] }: LeakScope): Promise<string[]> {
  return (await Promise.all(directories.map(namesBelow))).flat();
}

/** Not readdir's own recursion, which on Node 20 follows links: an image may have one to /. */
async function namesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(entries.map(async (entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? [path, ...await namesBelow(path)] : [path];
  }));
  return found.flat();
}

async function listControlGroups({ daemonIds }: LeakScope): Promise<string[]> {
  const isOurs = (name: string) => name.startsWith("berth") && (!daemonIds || bears(name, daemonIds));
  const walk = async (directory: string, depth: number): Promise<string[]> => {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
    const below = entries.filter((entry) => entry.isDirectory()).map(async ({ name }) => {
      const path = join(directory, name);
      if (isOurs(name)) return [path];
      return depth > 0 ? await walk(path, depth - 1) : [];
    });
    return (await Promise.all(below)).flat();
  };
  return await walk("/sys/fs/cgroup", 2);
}
