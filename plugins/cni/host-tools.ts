/** The programs of the host that the plugin runs, and what they say about routes and links. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Finished, run, type RunOptions } from "../../core/support/spawn.ts";
import { type Cidr, parseCidr } from "./cidr.ts";

/** Which Debian package each needed program is in. */
export const packageOfProgram = {
  iptables: "iptables",
  "iptables-save": "iptables",
  "iptables-restore": "iptables",
  ip: "iproute2",
  mount: "mount",
  umount: "mount",
  nsenter: "util-linux",
  unshare: "util-linux",
} as const;

export type Program = keyof typeof packageOfProgram;

/** The path of a program; undefined when there is none. Looks into sbin too, which a user's PATH may lack. */
export function findProgram(name: Program): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
  return directories.filter(Boolean).map((directory) => join(directory, name)).find(existsSync);
}

/** Runs a program of the host; see {@link run}. */
export function runProgram(name: Program, args: readonly string[], options?: RunOptions): Promise<Finished> {
  return run(findProgram(name) ?? name, args, options);
}

/** The arguments that run `ip` in a network namespace, given by path. */
const ipInside = (namespacePath: string) => [`--net=${namespacePath}`, findProgram("ip") ?? "ip"];

/** Runs `ip -json …`, in another network namespace if its path is given. */
async function ask<T>(args: readonly string[], namespacePath?: string): Promise<T[]> {
  const { stdout } = namespacePath === undefined
    ? await runProgram("ip", ["-json", ...args])
    : await runProgram("nsenter", [...ipInside(namespacePath), "-json", ...args]);
  return stdout.trim() === "" ? [] : JSON.parse(stdout) as T[];
}

/** A destination that packets have a way to. */
export interface HostRoute {
  readonly destination: Cidr;
  readonly interfaceName: string | undefined;
}

/** Every IPv4 route and address, of all tables; the default route, which goes everywhere, is left out. */
export async function listRoutes(namespacePath?: string): Promise<HostRoute[]> {
  type Row = { dst: string; dev?: string };
  const rows = await ask<Row>(["-4", "route", "show", "table", "all"], namespacePath);
  return rows.filter(({ dst }) => dst !== "default" && dst !== "0.0.0.0/0")
    .map(({ dst, dev }) => ({ destination: parseCidr(dst), interfaceName: dev }));
}

/** Names of the interfaces, in another network namespace if its path is given. */
export async function listLinks(filter: readonly string[] = [], namespacePath?: string): Promise<string[]> {
  const rows = await ask<{ ifname?: string }>(["link", "show", ...filter], namespacePath);
  return rows.flatMap(({ ifname }) => ifname ?? []);
}

/** The interface that the default route leaves by; undefined without one. */
export async function defaultInterface(): Promise<string | undefined> {
  const rows = await ask<{ dev?: string }>(["-4", "route", "show", "default"]);
  return rows.find(({ dev }) => dev)?.dev;
}

/** Removes interfaces in one go; those that are gone already are passed over. */
export async function removeLinks(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const batch = names.map((name) => `link del ${name}\n`).join("");
  // Forced: it goes on after one that vanished by itself, and tells by exit code 1, which says nothing more.
  await runProgram("ip", ["-force", "-batch", "-"], { stdin: batch, exitCodes: [0, 1] });
}
