import { mkdir, stat } from "node:fs/promises";
import type { Job } from "../../core/kernel/job.ts";
import { invalid, messageOf } from "../../core/support/errors.ts";
import type { HostNetworks } from "./host-networks.ts";
import { listLinks, listRoutes } from "./host-tools.ts";
import type { JobBridge } from "./job-bridge.ts";
import { pinNamespace, removeNamespaces } from "./namespaces.ts";
import { callerTarget } from "./network-config.ts";

/** Interfaces in the caller's namespace are called this with a number; a caller may run several jobs. */
const interfacePrefix = "berth";

/**
 * Joins whoever runs the job to the job's network: an interface in their network namespace, with no route but the
 * subnet's own. Their default route, their names and their other interfaces stay as they are. What is made here is
 * removed with the network. Errors: `invalid` for a path that leads to no network namespace.
 */
export async function joinCaller(
  job: Job,
  source: string,
  host: HostNetworks,
  bridge: JobBridge,
): Promise<void> {
  const pin = host.paths.caller(bridge.name);
  await pinCaller(source, pin, host.paths.directory(bridge.name));
  if (await isHostNamespace(pin)) {
    job.log.info({ netns: source }, "the caller is on the host, which reaches every container already");
    return await removeNamespaces([pin]);
  }
  const { links, occupied } = await inspect(source, pin);
  const interfaceName = freeName(links);
  await bridge.attach(callerTarget(host.paths, bridge.name, interfaceName), { occupied });
  await bridge.rememberCaller(interfaceName);
}

async function pinCaller(source: string, pin: string, directory: string): Promise<void> {
  if (!source.startsWith("/")) throw invalid(`network namespace ${source} is not an absolute path`);
  await stat(source).catch((error) => {
    throw invalid(`network namespace ${source} does not exist: is the process still running?`, error);
  });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await pinNamespace(source, pin).catch((error) => {
    throw invalid(`network namespace ${source} cannot be held: ${messageOf(error)}`, error);
  });
}

/** Looks into the caller's namespace through the pin; entering it proves that it is one. */
async function inspect(source: string, pin: string) {
  try {
    const [links, routes] = await Promise.all([listLinks([], pin), listRoutes(pin)]);
    return { links, occupied: routes.map(({ destination }) => destination) };
  } catch (error) {
    throw invalid(`${source} is not a network namespace: name one such as /proc/123/ns/net`, error);
  }
}

async function isHostNamespace(pin: string): Promise<boolean> {
  const [pinned, own] = await Promise.all([stat(pin), stat("/proc/self/ns/net")]);
  return pinned.dev === own.dev && pinned.ino === own.ino;
}

function freeName(links: readonly string[]): string {
  for (let number = 0;; number++) {
    const name = `${interfacePrefix}${number}`;
    if (!links.includes(name)) return name;
  }
}
