import Type, { type Static } from "typebox";
import { type Token, token } from "../../core/kernel/scope.ts";
import { messageOf } from "../../core/support/errors.ts";
import { parseCidr } from "./cidr.ts";

/** The table `[plugins.cni]`. */
export const CniSettingsSchema = Type.Object({
  binDirs: Type.Array(Type.String(), {
    default: ["/opt/cni/bin", "/usr/lib/cni"],
    description: "Where the CNI plugins bridge, host-local and loopback are looked for, in this order.",
  }),
  pool: Type.Array(Type.String(), {
    default: ["10.224.0.0/14", "192.168.208.0/20"],
    minItems: 1,
    description:
      "Address ranges that jobs' networks are cut from. Subnets that meet a route or an address of the host are " +
      "passed over; when no subnet is left, the job's first container is refused.",
  }),
  subnetBits: Type.Integer({
    default: 24,
    minimum: 16,
    maximum: 29,
    description:
      "Prefix length of each job's subnet. 24 leaves 253 addresses for a job's containers, 29 leaves 5; the pool " +
      "holds twice as many jobs with every bit more.",
  }),
  mtu: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 65535,
    description:
      "MTU of the jobs' interfaces in bytes. 0 takes that of the interface with the default route.",
  }),
  warmPerJob: Type.Integer({
    default: 8,
    minimum: 0,
    maximum: 1000,
    description:
      "How many attached network namespaces a job keeps for its next containers. 0 makes one for every start, " +
      "about 30 ms each; large numbers cost about 100 KiB of kernel memory each.",
  }),
  warmTotal: Type.Integer({
    default: 128,
    minimum: 0,
    maximum: 100_000,
    description: "How many of them all jobs together keep.",
  }),
  parallel: Type.Integer({
    default: 4,
    minimum: 1,
    maximum: 64,
    description: "How many namespaces are made or removed at once in the whole daemon.",
  }),
}, { additionalProperties: false, description: "Networks of jobs, made by the standard CNI plugins." });

export type CniSettings = Static<typeof CniSettingsSchema>;

/** The plugin's settings, in the daemon's scope. */
export const CniSettingsToken: Token<CniSettings> = token("cni.settings");

/** Checks what a schema cannot say. Errors start with the key. */
export function checkCniSettings(settings: CniSettings): CniSettings {
  for (const [index, range] of settings.pool.entries()) {
    const { bits } = parsed(range, index);
    if (bits > settings.subnetBits) {
      throw new Error(`pool.${index}: ${range} is smaller than one subnet of ${settings.subnetBits} bits`);
    }
    if (bits < 8) throw new Error(`pool.${index}: ${range} is wider than any private range`);
  }
  return settings;
}

function parsed(range: string, index: number) {
  try {
    return parseCidr(range);
  } catch (error) {
    throw new Error(`pool.${index}: ${messageOf(error)}`, { cause: error });
  }
}
