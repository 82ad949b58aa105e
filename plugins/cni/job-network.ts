import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { apiErrorOf, messageOf, unavailable } from "../../core/support/errors.ts";
import type { JobNetwork, NetworkAttachment } from "../containerd/backend.ts";
import { joinCaller } from "./caller.ts";
import type { CniResult, CniTarget } from "./cni-programs.ts";
import type { HostNetworks } from "./host-networks.ts";
import { JobBridge } from "./job-bridge.ts";
import { createNamespace, removeNamespaces } from "./namespaces.ts";
import { loopbackConfig } from "./network-config.ts";
import { together } from "./together.ts";
import { WarmPool } from "./warm-pool.ts";

/** What containers' interfaces are called, as Docker's are. */
const interfaceName = "eth0";

/**
 * A job's network: one bridge, and a pool of namespaces attached to it. Owns nothing in the kernel until the first
 * container is created or a caller joins.
 *
 * A namespace that was given back is lent again to the same job as it is: containers may not change interfaces,
 * routes or sysctls of theirs, and their sockets ended with them. What lingers is a closed connection's port for a
 * minute (TIME_WAIT), and the address.
 */
export class BridgedJobNetwork implements JobNetwork {
  readonly nameservers: readonly string[] = [];
  readonly #job: Job;
  readonly #host: HostNetworks;
  readonly #bridge: JobBridge;
  readonly #pool: WarmPool<NetworkAttachment>;
  #made = 0;

  constructor(job: Job, host: HostNetworks) {
    this.#job = job;
    this.#host = host;
    this.#bridge = new JobBridge(job, host);
    this.#pool = new WarmPool(
      {
        make: () => host.turns.run(() => this.#make()),
        destroy: (attachment) => host.turns.run(() => this.#destroy(attachment)),
        failed: (error) => job.log.warn({ error: messageOf(error) }, "network namespace not made or removed"),
      },
      host.settings.warmPerJob,
      host.idle,
    );
  }

  /** Lets the caller join, if one is named. */
  async open(): Promise<void> {
    if (this.#job.abandoned || this.#job.callerNetns === undefined) return;
    await joinCaller(this.#job, this.#job.callerNetns, this.#host, this.#bridge);
  }

  /** Removes the network and everything in it. An abandoned job's is found by its name. */
  async close(): Promise<void> {
    await this.#pool.close();
    if (existsSync(this.#host.paths.directory(this.#bridge.name))) {
      await this.#host.tearDown(this.#bridge.name);
    }
  }

  async lend(containerId: string): Promise<NetworkAttachment> {
    try {
      return await this.#pool.lend();
    } catch (error) {
      if (apiErrorOf(error)) throw error;
      throw unavailable(`no network for container ${containerId}: ${messageOf(error)}`, error);
    }
  }

  async giveBack(attachment: NetworkAttachment): Promise<void> {
    this.#pool.giveBack(attachment);
  }

  prepare(): void {
    this.#pool.prepare();
  }

  async #make(): Promise<NetworkAttachment> {
    const { signal } = this.#job;
    const directory = this.#host.paths.namespaces(this.#bridge.name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const target = this.#target(join(directory, String(this.#made++)));
    try {
      const namespaceMade = createNamespace(target.namespacePath, signal);
      const [result] = await together([
        this.#bridge.attach(target, { defaultRoute: true, namespaceMade }),
        namespaceMade.then(() => this.#bringUpLoopback(target)),
      ]);
      return asAttachment(result, target);
    } catch (error) {
      await this.#remove(target).catch(() => {});
      throw error;
    }
  }

  async #bringUpLoopback(target: CniTarget): Promise<void> {
    const loopback = { ...target, interfaceName: "lo" };
    await this.#host.programs.add("loopback", loopbackConfig, loopback, this.#job.signal);
  }

  #destroy({ namespacePath }: NetworkAttachment): Promise<void> {
    return this.#remove(this.#target(namespacePath));
  }

  async #remove(target: CniTarget): Promise<void> {
    // A closing job's namespaces go all at once, with its network.
    if (this.#job.signal.aborted) return;
    try {
      await this.#bridge.detach(target);
    } finally {
      await removeNamespaces([target.namespacePath]);
    }
  }

  #target(namespacePath: string): CniTarget {
    const number = namespacePath.slice(namespacePath.lastIndexOf("/") + 1);
    return { containerId: `${this.#bridge.name}-${number}`, namespacePath, interfaceName };
  }
}

function asAttachment(result: CniResult, { namespacePath }: CniTarget): NetworkAttachment {
  const inside = result.interfaces?.find(({ sandbox }) => sandbox === namespacePath);
  const [ip] = result.ips ?? [];
  const [ipAddress, prefix] = (ip?.address ?? "").split("/");
  if (!inside?.mac || !ip?.gateway || !ipAddress) {
    throw new Error("the cni plugin bridge answered without an address");
  }
  return {
    namespacePath,
    ipAddress,
    prefixLength: Number(prefix),
    gateway: ip.gateway,
    macAddress: inside.mac,
  };
}
