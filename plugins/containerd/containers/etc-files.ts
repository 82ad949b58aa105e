import { mkdir, readFile, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { ContainerSpec } from "../../containers/backend.ts";

/** What a container's /etc/hosts says before its own name. Source: Docker Engine 28. */
const commonHosts = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** Used when the host has only resolvers on its own loopback, as Docker does. */
const publicNameservers = ["8.8.8.8", "8.8.4.4"];

type Named = Pick<ContainerSpec, "hostname" | "domainname">;

/** The text of /etc/hosts; without an address the container knows only localhost. */
export function hostsFile({ hostname, domainname }: Named, ipAddress?: string): string {
  if (!ipAddress) return commonHosts;
  const full = domainname ? `${hostname}.${domainname}` : hostname;
  // A host name with dots is also known by its first part.
  const short = full.split(".", 1)[0] ?? full;
  return `${commonHosts}${ipAddress}\t${full === short ? full : `${full} ${short}`}\n`;
}

/**
 * The text of /etc/resolv.conf: the host's, without name servers on the host's loopback, which a container does not
 * reach.
 *
 * @param nameservers the network's own; empty takes the host's
 */
export function resolverFile(hostText: string, nameservers: readonly string[]): string {
  const lines = hostText.split("\n").map((line) => line.trim());
  const others = lines.filter((line) => /^(search|options|domain)\s/.test(line));
  const chosen = nameservers.length > 0 ? nameservers : reachable(lines);
  const servers = chosen.length > 0 ? chosen : publicNameservers;
  return [...servers.map((server) => `nameserver ${server}`), ...others, ""].join("\n");
}

function reachable(lines: readonly string[]): string[] {
  return lines
    .map((line) => /^nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((server) => isIP(server.split("%", 1)[0] ?? "") > 0 && !isLoopback(server));
}

const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";

/** The host's resolv.conf; behind systemd's stub resolver, the file with the servers it asks. Empty when there is none. */
export async function hostResolverFile(): Promise<string> {
  const text = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.trim());
  if (reachable(lines).length > 0 || !text.includes("127.0.0.53")) return text;
  return await readFile("/run/systemd/resolve/resolv.conf", "utf8").catch(() => text);
}

/**
 * Writes a container's hosts, hostname and resolv.conf. They are bind-mounted, so the container may change them until
 * it starts again.
 */
export async function writeEtcFiles(
  dir: string,
  container: Named,
  network: { ipAddress?: string; nameservers: readonly string[] },
): Promise<void> {
  const [resolver] = await Promise.all([hostResolverFile(), mkdir(dir, { recursive: true, mode: 0o711 })]);
  const files = {
    hosts: hostsFile(container, network.ipAddress),
    hostname: `${container.hostname}\n`,
    "resolv.conf": resolverFile(resolver, network.nameservers),
  };
  await Promise.all(
    Object.entries(files).map(([name, text]) => writeFile(`${dir}/${name}`, text, { mode: 0o644 })),
  );
}
