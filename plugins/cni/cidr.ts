/** IPv4 address arithmetic, as much as handing out subnets needs. */

/** A range of IPv4 addresses, `10.224.0.0/14`. */
export interface Cidr {
  /** The first address as an unsigned number. */
  readonly base: number;
  /** Length of the prefix, 0–32. */
  readonly bits: number;
}

/** How many addresses a prefix of so many bits covers. */
const sizeOf = (bits: number) => 2 ** (32 - bits);

/** Reads `a.b.c.d/n`, or a lone address as a range of one. Errors: says what is wrong with the text. */
export function parseCidr(text: string): Cidr {
  const [, address, prefix] = /^(\d+\.\d+\.\d+\.\d+)(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const bytes = (address ?? "").split(".").map(Number);
  const bits = prefix === undefined ? 32 : Number(prefix);
  if (bytes.length !== 4 || bytes.some((byte) => byte > 255) || bits > 32) {
    throw new Error(`"${text}" is not an IPv4 range such as 10.224.0.0/14`);
  }
  const base = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  if (base % sizeOf(bits) !== 0) {
    const start = formatCidr({ base: base - base % sizeOf(bits), bits });
    throw new Error(`"${text}" does not start where its prefix does; ${start} does`);
  }
  return { base, bits };
}

/** `10.224.0.1` for a number. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

export function formatCidr({ base, bits }: Cidr): string {
  return `${formatAddress(base)}/${bits}`;
}

/** Whether two ranges share an address. */
export function overlaps(one: Cidr, other: Cidr): boolean {
  return one.base < other.base + sizeOf(other.bits) && other.base < one.base + sizeOf(one.bits);
}

/** How many subnets of so many bits fit into a range. */
export function subnetCount(range: Cidr, subnetBits: number): number {
  return 2 ** (subnetBits - range.bits);
}

/** The subnet with this number, counted from 0, of a range. */
export function subnetAt(range: Cidr, subnetBits: number, index: number): Cidr {
  return { base: range.base + index * sizeOf(subnetBits), bits: subnetBits };
}

/** The first usable address of a subnet: the gateway's. */
export function gatewayOf(subnet: Cidr): string {
  return formatAddress(subnet.base + 1);
}
