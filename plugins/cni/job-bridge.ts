import { mkdir, writeFile } from "node:fs/promises";
import type { Job } from "../../core/kernel/job.ts";
import { messageOf, unavailable } from "../../core/support/errors.ts";
import { type Cidr, formatCidr } from "./cidr.ts";
import { CniFailed, type CniResult, type CniTarget } from "./cni-programs.ts";
import type { HostNetworks } from "./host-networks.ts";
import { networkConfig } from "./network-config.ts";
import type { NetworkRecord } from "./network-state.ts";
import { together } from "./together.ts";
import { Turns } from "../../core/support/turns.ts";

/** How an interface is attached. */
export interface AttachOptions {
  readonly defaultRoute?: boolean;
  /** Resolves when the target's namespace exists; what can be done before is. Default: it exists. */
  readonly namespaceMade?: Promise<void>;
  /** Ranges that the subnet must not meet, if it is still to be chosen. */
  readonly occupied?: readonly Cidr[];
}

/** How often another subnet is tried when a neighbour on the host took the same one in the same moment. */
const subnetTries = 3;

/** One job's bridge: made with the first interface that is attached, not before. */
export class JobBridge {
  readonly name: string;
  readonly #job: Job;
  readonly #host: HostNetworks;
  readonly #first = new Turns(1);
  #record: NetworkRecord | undefined;
  #mtu: number | undefined;
  #made = false;

  constructor(job: Job, host: HostNetworks) {
    this.#job = job;
    this.#host = host;
    this.name = host.bridgeOf(job.id);
  }

  /** Attaches an interface; makes subnet, rules and bridge when it is the first. */
  attach(target: CniTarget, options: AttachOptions = {}): Promise<CniResult> {
    if (this.#made) return this.#add(target, options);
    // The bridge plugin makes the bridge on its first run: nobody else may run it meanwhile.
    return this.#first.run(() => this.#made ? this.#add(target, options) : this.#addFirst(target, options));
  }

  /** Takes an interface away and its address back into the subnet. */
  async detach(target: CniTarget): Promise<void> {
    if (this.#record) {
      await this.#host.programs.remove("bridge", networkConfig(this.#host.paths, this.#record), target);
    }
  }

  /** Writes down which interface the caller has, so that it can be removed after a crash too. */
  async rememberCaller(callerInterface: string): Promise<void> {
    if (!this.#record) throw new Error(`${this.name} has no caller before it is made`);
    await this.#remember({ ...this.#record, callerInterface });
  }

  async #addFirst(target: CniTarget, options: AttachOptions): Promise<CniResult> {
    for (let left = subnetTries - 1;; left--) {
      const [subnet, mtu] = await together([
        this.#host.takeSubnet(this.name, options.occupied ?? []),
        this.#host.mtu(),
      ]);
      this.#mtu = mtu;
      try {
        return await this.#make(subnet, target, options);
      } catch (error) {
        await this.#abandonSubnet(target).catch((failed) =>
          this.#job.log.warn({ error: messageOf(failed) }, "network that could not be made was not removed")
        );
        if (!(error instanceof Contested) || left === 0) throw error;
      }
    }
  }

  async #make(subnet: Cidr, target: CniTarget, options: AttachOptions): Promise<CniResult> {
    await mkdir(this.#host.paths.namespaces(this.name), { recursive: true, mode: 0o700 });
    await this.#remember({ format: 1, jobId: this.#job.id, bridge: this.name, subnet: formatCidr(subnet) });
    await this.#host.enableForwarding();
    const [result] = await together([
      this.#add(target, options),
      this.#host.firewall.add({ bridge: this.name, subnet: formatCidr(subnet) }),
    ]);
    await harden(this.name);
    if (await this.#host.isContested(this.name, subnet)) throw new Contested(this.name, subnet);
    this.#made = true;
    return result;
  }

  async #abandonSubnet(target: CniTarget): Promise<void> {
    await this.detach(target).catch(() => {});
    await this.#host.dropBridge(this.name);
    this.#record = undefined;
  }

  async #add(target: CniTarget, options: AttachOptions): Promise<CniResult> {
    await options.namespaceMade;
    const record = this.#record!;
    const config = networkConfig(this.#host.paths, record, {
      mtu: this.#mtu,
      defaultRoute: options.defaultRoute,
    });
    try {
      return await this.#host.programs.add("bridge", config, target, this.#job.signal);
    } catch (error) {
      if (!(error instanceof CniFailed) || !/no IP addresses available/.test(error.message)) throw error;
      throw unavailable(
        `no address is left in the job's network ${record.subnet}: remove containers or lower plugins.cni.subnetBits`,
        error,
      );
    }
  }

  async #remember(record: NetworkRecord): Promise<void> {
    await this.#host.paths.write(record);
    this.#record = record;
  }
}

/** Somebody else on the host took the same addresses. */
class Contested extends Error {
  constructor(bridge: string, subnet: Cidr) {
    super(`${formatCidr(subnet)} of ${bridge} is in use elsewhere on the host`);
  }
}

/**
 * What containers could do to the host through a new bridge: speak IPv6 to it (link-local addresses, router
 * advertisements), send with other jobs' addresses, redirect its routes.
 */
async function harden(bridge: string): Promise<void> {
  await Promise.all([
    setKernel(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, "1"),
    setKernel(`/proc/sys/net/ipv4/conf/${bridge}/rp_filter`, "1"),
    setKernel(`/proc/sys/net/ipv4/conf/${bridge}/accept_redirects`, "0"),
  ]);
}

async function setKernel(path: string, value: string): Promise<void> {
  await writeFile(path, value).catch((error: NodeJS.ErrnoException) => {
    // A kernel without IPv6 has nothing to switch off.
    if (error.code !== "ENOENT") throw error;
  });
}
