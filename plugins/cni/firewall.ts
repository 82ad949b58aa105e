/**
 * The packet filter's rules of one daemon: chains of its own, hooked at the top of FORWARD, INPUT and POSTROUTING. The
 * chains' content follows from the list of networks alone and is replaced as a whole in one transaction, so that
 * a rule that somebody flushed is back with the next network. They go when the last network does.
 */
import { runProgram } from "./host-tools.ts";
import { daemonMark } from "./stragglers.ts";
import { Turns } from "../../core/support/turns.ts";

/** What the rules are about: one job's bridge and its addresses. */
export interface GuardedNetwork {
  readonly bridge: string;
  /** `10.224.7.0/24` */
  readonly subnet: string;
}

/** Names and ranges that do not change while a daemon runs. */
export interface FirewallFacts {
  readonly daemonId: string;
  /** What all bridges of this daemon start with. */
  readonly bridgePrefix: string;
  /** What all bridges of every Berth daemon start with. */
  readonly anyBridgePrefix: string;
  readonly pool: readonly string[];
}

/** Tries per change: another program may change the tables in the same moment, which fails ours. */
const tries = 4;

export class Firewall {
  readonly #facts: FirewallFacts;
  readonly #networks = new Map<string, GuardedNetwork>();
  readonly #turns = new Turns(1);
  #wanted = 0;
  #applied = 0;

  constructor(facts: FirewallFacts) {
    this.#facts = facts;
  }

  /** Guards one more network; resolves when the rules are in force. */
  add(network: GuardedNetwork): Promise<void> {
    this.#networks.set(network.bridge, network);
    return this.apply();
  }

  /** Forgets a network. */
  remove(bridge: string): Promise<void> {
    return this.#networks.delete(bridge) ? this.apply() : Promise.resolve();
  }

  /** Takes these networks, which a former daemon left, and brings the tables in line with them. */
  reset(networks: readonly GuardedNetwork[]): Promise<void> {
    this.#networks.clear();
    for (const network of networks) this.#networks.set(network.bridge, network);
    return this.apply();
  }

  /** Brings the tables in line with the list of networks. Changes asked for meanwhile are made together. */
  apply(): Promise<void> {
    const mine = ++this.#wanted;
    return this.#turns.run(async () => {
      if (this.#applied >= mine) return;
      const now = this.#wanted;
      await this.#replace();
      this.#applied = now;
    });
  }

  async #replace(): Promise<void> {
    for (let left = tries - 1;; left--) {
      const { stdout } = await runProgram("iptables-save", [], { maxOutputBytes: 64 * 1024 * 1024 });
      const change = this.#networks.size > 0
        ? installation(this.#facts, [...this.#networks.values()], stdout)
        : removal(this.#facts, stdout);
      if (change === "") return;
      try {
        const env = { [daemonMark]: this.#facts.daemonId };
        await runProgram("iptables-restore", ["--noflush", "-w", "10"], { stdin: change, env });
        return;
      } catch (error) {
        if (left === 0) throw error;
      }
    }
  }
}

type ChainName = "FWD" | "IN" | "NAT";
const hooks = [["filter", "FORWARD", "FWD"], ["filter", "INPUT", "IN"], [
  "nat",
  "POSTROUTING",
  "NAT",
]] as const;

const chainOf = ({ daemonId }: FirewallFacts, name: ChainName) => `BERTH-${daemonId}-${name}`;

/** Bridges of Docker: its own rules say what may go out there, for our containers as for strangers. */
const bridgesOfDocker = ["docker+", "br-+"];

function rulesOf(facts: FirewallFacts, networks: readonly GuardedNetwork[]): Record<ChainName, string[]> {
  const ours = `${facts.bridgePrefix}+`;
  const any = `${facts.anyBridgePrefix}+`;
  return {
    FWD: [
      // Bridged frames pass here too where br_netfilter is loaded.
      ...networks.map(({ bridge }) => `-i ${bridge} -o ${bridge} -j ACCEPT`),
      `-i ${ours} -o ${any} -j DROP`,
      `-i ${any} -o ${ours} -j DROP`,
      `-o ${ours} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `-o ${ours} -j DROP`,
      ...bridgesOfDocker.map((bridge) => `-i ${ours} -o ${bridge} -j RETURN`),
      `-i ${ours} -j ACCEPT`,
    ],
    // The host answers on all its addresses; a job shall not see other jobs' gateways.
    IN: facts.pool.map((range) =>
      `-i ${ours} -d ${range} -m addrtype --dst-type LOCAL ` +
      "-m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP"
    ),
    NAT: networks.map(({ bridge, subnet }) => `-s ${subnet} ! -o ${bridge} -j MASQUERADE`),
  };
}

function installation(facts: FirewallFacts, networks: readonly GuardedNetwork[], saved: string): string {
  const rules = rulesOf(facts, networks);
  return tables((table) =>
    hooks.filter(([of]) => of === table).flatMap(([, hook, name]) => {
      const chain = chainOf(facts, name);
      return [
        // Declaring a chain empties it.
        `:${chain} - [0:0]`,
        ...rules[name].map((rule) => `-A ${chain} ${rule}`),
        ...(jumpsIn(saved, hook, chain) > 0 ? [] : [`-I ${hook} 1 -j ${chain}`]),
      ];
    })
  );
}

function removal(facts: FirewallFacts, saved: string): string {
  return tables((table) =>
    hooks.filter(([of]) => of === table).flatMap(([, hook, name]) => {
      const chain = chainOf(facts, name);
      if (!saved.includes(`\n:${chain} `)) return [];
      const jumps = jumpsIn(saved, hook, chain);
      return [...Array<string>(jumps).fill(`-D ${hook} -j ${chain}`), `-F ${chain}`, `-X ${chain}`];
    })
  );
}

function jumpsIn(saved: string, hook: string, chain: string): number {
  return saved.split("\n").filter((line) => line === `-A ${hook} -j ${chain}`).length;
}

function tables(linesOf: (table: string) => string[]): string {
  return ["filter", "nat"].map((table) => ({ table, lines: linesOf(table) }))
    .filter(({ lines }) => lines.length > 0)
    .map(({ table, lines }) => [`*${table}`, ...lines, "COMMIT", ""].join("\n")).join("");
}
