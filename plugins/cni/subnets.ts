import { unavailable } from "../../core/support/errors.ts";
import { type Cidr, formatCidr, overlaps, parseCidr, subnetAt, subnetCount } from "./cidr.ts";

/** Hands out subnets of a pool, each to one network at a time. */
export class Subnets {
  readonly #pool: readonly Cidr[];
  readonly #bits: number;
  readonly #inUse = new Map<string, Cidr>();

  constructor(pool: readonly string[], subnetBits: number) {
    this.#pool = pool.map(parseCidr);
    this.#bits = subnetBits;
  }

  /**
   * Takes a subnet that meets neither another network nor any of the given ranges. The search starts anywhere: two
   * daemons that choose in the same moment are unlikely to choose the same, and a subnet is not used again soon.
   * Errors: `unavailable` when none is left.
   *
   * @param owner whom it is given to; {@link release} takes the same name
   */
  take(owner: string, occupied: readonly Cidr[]): Cidr {
    const counts = this.#pool.map((range) => subnetCount(range, this.#bits));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const start = Math.floor(Math.random() * total);
    const mine = [...this.#inUse.values()];
    for (let step = 0; step < total; step++) {
      const subnet = this.#nth((start + step) % total, counts);
      if (mine.some((used) => overlaps(used, subnet))) continue;
      if (occupied.some((range) => overlaps(range, subnet))) continue;
      this.#inUse.set(owner, subnet);
      return subnet;
    }
    throw unavailable(
      `no subnet is left for the job's network: of ${total} in plugins.cni.pool ` +
        `(${
          this.#pool.map(formatCidr).join(", ")
        }) jobs use ${this.#inUse.size} and routes of the host or the ` +
        "caller meet the others; add a range to the pool or close jobs",
    );
  }

  /** Marks a subnet that a former daemon handed out. */
  adopt(owner: string, subnet: string): void {
    this.#inUse.set(owner, parseCidr(subnet));
  }

  release(owner: string): void {
    this.#inUse.delete(owner);
  }

  #nth(index: number, counts: readonly number[]): Cidr {
    for (const [at, range] of this.#pool.entries()) {
      const count = counts[at] ?? 0;
      if (index < count) return subnetAt(range, this.#bits, index);
      index -= count;
    }
    throw new Error("the subnet's number is past the pool's end");
  }
}
