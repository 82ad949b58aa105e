/** Network namespaces kept alive by a bind mount on a file, without any process in them. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { runProgram } from "./host-tools.ts";

/**
 * Run inside a new namespace: interfaces made there later have no IPv6. The jobs' networks route IPv4 alone, and
 * link-local addresses would let router advertisements in.
 */
const withoutIpv6 =
  'f=/proc/sys/net/ipv6/conf/default/disable_ipv6; if [ -w "$f" ]; then echo 1 > "$f" || :; fi';

/** Makes a network namespace and binds it to a new file at the path. */
export async function createNamespace(path: string, signal?: AbortSignal): Promise<void> {
  await writeFile(path, "", { flag: "wx", mode: 0o600 });
  await runProgram("unshare", [`--net=${path}`, "/bin/sh", "-c", withoutIpv6], { signal });
}

/**
 * Keeps the namespace behind another path alive, even when the process whose it is ends and its id is used again.
 *
 * @param source such as `/proc/123/ns/net`
 */
export async function pinNamespace(source: string, path: string): Promise<void> {
  await writeFile(path, "", { flag: "wx", mode: 0o600 });
  await runProgram("mount", ["--bind", source, path]);
}

/**
 * Removes namespaces by their files. Copies of the mounts that other mount namespaces hold go as well: the kernel
 * detaches a mount everywhere when the file under it is removed.
 */
export async function removeNamespaces(paths: readonly string[]): Promise<void> {
  await unmount(paths);
  await Promise.all(paths.map((path) => rm(path, { force: true })));
}

/** Unmounts everything mounted below a directory, stacked mounts included. */
export async function unmountBelow(directory: string): Promise<void> {
  await unmount(await mountsBelow(directory));
}

/** The mount points below a directory; one that is mounted twice is listed twice. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return table.split("\n").flatMap((line) => line.split(" ")[4] ?? [])
    .map((escaped) => escaped.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))))
    .filter((path) => path.startsWith(`${directory}/`)).reverse();
}

async function unmount(paths: readonly string[]): Promise<void> {
  // Lazily: somebody may be looking at one this very moment, and the name must go now.
  if (paths.length > 0) await runProgram("umount", ["--lazy", ...paths]);
}
