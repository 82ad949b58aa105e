import { mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import type { DaemonFacts } from "../../core/kernel/plugin.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { messageOf } from "../../core/support/errors.ts";
import type { Logger } from "../../core/support/logger.ts";
import { Undo } from "../../core/support/undo.ts";
import { type Cidr, overlaps } from "./cidr.ts";
import { CniPrograms } from "./cni-programs.ts";
import { Firewall } from "./firewall.ts";
import { defaultInterface, listLinks, listRoutes, removeLinks } from "./host-tools.ts";
import { unmountBelow } from "./namespaces.ts";
import { callerTarget, networkConfig } from "./network-config.ts";
import { anyBridgePrefix, bridgeName, bridgePrefix, NetworkPaths } from "./network-state.ts";
import type { CniSettings } from "./settings.ts";
import { awaitStragglers } from "./stragglers.ts";
import { Subnets } from "./subnets.ts";
import { Turns } from "../../core/support/turns.ts";
import { IdleBudget } from "./warm-pool.ts";

/** What all jobs' networks of one daemon share. */
export class HostNetworks {
  readonly settings: CniSettings;
  readonly paths: NetworkPaths;
  readonly programs: CniPrograms;
  readonly firewall: Firewall;
  readonly subnets: Subnets;
  /** How many namespaces all jobs keep idle. */
  readonly idle: IdleBudget;
  /** Making and removing namespaces, a few at once. */
  readonly turns: Turns;
  readonly #daemon: DaemonFacts;
  readonly #log: Logger;

  constructor(daemon: DaemonFacts, settings: CniSettings) {
    this.#daemon = daemon;
    this.settings = settings;
    this.#log = daemon.log.child({ plugin: "cni" });
    this.paths = new NetworkPaths(daemon.dataDir);
    this.programs = new CniPrograms(settings.binDirs);
    this.subnets = new Subnets(settings.pool, settings.subnetBits);
    this.idle = new IdleBudget(settings.warmTotal);
    this.turns = new Turns(settings.parallel);
    this.firewall = new Firewall({
      daemonId: daemon.id,
      bridgePrefix: bridgePrefix(daemon.id),
      anyBridgePrefix,
      pool: settings.pool,
    });
  }

  /** Removes what a killed daemon left of jobs that nobody knows any more; keeps what live jobs have. */
  async open(): Promise<void> {
    await mkdir(this.paths.root, { recursive: true, mode: 0o700 });
    await this.#awaitFormerDaemon();
    const live = new Set(this.#daemon.liveJobs().map((jobId) => this.bridgeOf(jobId)));
    const found = new Set([...await this.paths.list(), ...await this.#bridges()]);
    for (const bridge of found) {
      if (!live.has(bridge)) await this.#sweep(bridge);
    }
    const records = await Promise.all([...live].map((bridge) => this.paths.read(bridge)));
    const kept = records.filter((record) => record !== undefined);
    for (const { bridge, subnet } of kept) this.subnets.adopt(bridge, subnet);
    await this.firewall.reset(kept);
  }

  /** Takes the rules away. */
  async close(): Promise<void> {
    const undo = new Undo("networks of the host");
    undo.add("directory of networks", () => rmdir(this.paths.root).catch(ignoreNotEmpty));
    undo.add("firewall rules", () => this.firewall.reset([]));
    await undo.run();
  }

  bridgeOf(jobId: string): string {
    return bridgeName(this.#daemon.id, jobId);
  }

  /** Takes a subnet for a bridge that meets no route of the host's, nor the other ranges given. */
  async takeSubnet(bridge: string, occupied: readonly Cidr[]): Promise<Cidr> {
    const routes = await listRoutes();
    return this.subnets.take(bridge, [...routes.map(({ destination }) => destination), ...occupied]);
  }

  /** Whether somebody else on the host uses these addresses too: two daemons may choose in the same moment. */
  async isContested(bridge: string, subnet: Cidr): Promise<boolean> {
    const routes = await listRoutes();
    return routes.some(({ destination, interfaceName }) =>
      interfaceName !== bridge && overlaps(destination, subnet)
    );
  }

  /** The MTU for interfaces, in bytes; undefined leaves it to the kernel. */
  async mtu(): Promise<number | undefined> {
    if (this.settings.mtu > 0) return this.settings.mtu;
    const name = await defaultInterface();
    if (!name) return undefined;
    const text = await readFile(`/sys/class/net/${name}/mtu`, "utf8").catch(() => "");
    return Number(text) || undefined;
  }

  /**
   * Lets the host forward IPv4, without which no container reaches anything. It stays on: who else came to count on it
   * meanwhile (Docker, another Berth) cannot be known.
   */
  async enableForwarding(): Promise<void> {
    const path = "/proc/sys/net/ipv4/ip_forward";
    if ((await readFile(path, "utf8")).trim() === "1") return;
    this.#log.warn({ path }, "switching IPv4 forwarding on for this host; it stays on");
    await writeFile(path, "1");
  }

  /**
   * Removes a network with everything of it, made or half made, from what is on disk and in the kernel alone.
   * Idempotent; tries every step and throws all failures together. Containers in its namespaces must have ended.
   */
  async tearDown(bridge: string): Promise<void> {
    const directory = this.paths.directory(bridge);
    const undo = new Undo(`network ${bridge}`);
    undo.add("directory", () => rm(directory, { recursive: true, force: true }));
    undo.add("firewall rules", () => this.firewall.remove(bridge));
    undo.add("subnet", () => this.subnets.release(bridge));
    undo.add("interfaces", () => this.#removeInterfaces(bridge));
    undo.add("network namespaces", () => unmountBelow(directory));
    undo.add("interface of the caller", () => this.#leaveCaller(bridge));
    await undo.run();
  }

  /** Takes bridge, addresses and subnet of a network that could not be made; its directory stays. */
  async dropBridge(bridge: string): Promise<void> {
    await this.#removeInterfaces(bridge);
    await rm(this.paths.addresses(bridge), { recursive: true, force: true });
    this.subnets.release(bridge);
    await this.firewall.remove(bridge);
  }

  /** A daemon that closed its jobs left no directory of a network, and started nothing that still runs. */
  async #awaitFormerDaemon(): Promise<void> {
    const networks = await this.paths.list();
    if (networks.length > 0) await awaitStragglers(this.#daemon.id, this.paths.root);
  }

  async #leaveCaller(bridge: string): Promise<void> {
    const record = await this.paths.read(bridge);
    if (!record?.callerInterface) return;
    const target = callerTarget(this.paths, bridge, record.callerInterface);
    await this.programs.remove("bridge", networkConfig(this.paths, record), target);
  }

  /** The kernel removes a veth pair some time after its namespace; taking the host's ends removes both ends now. */
  async #removeInterfaces(bridge: string): Promise<void> {
    const links = await listLinks(["type", "bridge"]);
    if (!links.includes(bridge)) return;
    await removeLinks([...await listLinks(["master", bridge]), bridge]);
    if ((await listLinks(["type", "bridge"])).includes(bridge)) {
      throw new Error(`bridge ${bridge} is still there`);
    }
  }

  async #bridges(): Promise<string[]> {
    const prefix = bridgePrefix(this.#daemon.id);
    return (await listLinks(["type", "bridge"])).filter((name) => name.startsWith(prefix));
  }

  async #sweep(bridge: string): Promise<void> {
    this.#log.info({ bridge }, "removing an abandoned network");
    await this.tearDown(bridge).catch((error) =>
      this.#log.warn({ bridge, error: messageOf(error) }, "abandoned network not removed completely")
    );
  }
}

function ignoreNotEmpty(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOTEMPTY" && error.code !== "ENOENT") throw error;
}

/** Daemon-scoped. */
export const HostNetworksToken: Token<HostNetworks> = token("cni.host");
