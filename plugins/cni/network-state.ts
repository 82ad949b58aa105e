/** What is kept on disk of each job's network, and how things are named, so that any later daemon can remove them. */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readJson, writeAtomically } from "../../core/support/atomic-file.ts";

/** What the bridges of every Berth daemon start with. */
export const anyBridgePrefix = "bth";

/** What the bridges of one daemon start with: an interface's name holds 15 characters, seven of them are the job's. */
export const bridgePrefix = (daemonId: string) => anyBridgePrefix + daemonId.slice(0, 5);

/** The name of a job's bridge. It follows from the ids alone, so that it is found again without any record. */
export function bridgeName(daemonId: string, jobId: string): string {
  const digest = createHash("sha256").update(jobId).digest();
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  return bridgePrefix(daemonId) + Array.from(digest.subarray(0, 7), (byte) => letters[byte & 31]).join("");
}

/** What is written before the bridge is made. */
export interface NetworkRecord {
  readonly format: 1;
  readonly jobId: string;
  readonly bridge: string;
  /** `10.224.7.0/24` */
  readonly subnet: string;
  /** The interface in the caller's network namespace, when the caller joined. */
  readonly callerInterface?: string;
}

/** Paths below `<dataDir>/cni`. Each network has one directory, and with it everything of it is gone. */
export class NetworkPaths {
  /** Directory of all networks. */
  readonly root: string;

  constructor(dataDir: string) {
    this.root = join(dataDir, "cni", "networks");
  }

  directory(bridge: string): string {
    return join(this.root, bridge);
  }

  record(bridge: string): string {
    return join(this.directory(bridge), "network.json");
  }

  /** host-local's reservations. */
  addresses(bridge: string): string {
    return join(this.directory(bridge), "addresses");
  }

  /** Where the namespaces lent to containers are bound. */
  namespaces(bridge: string): string {
    return join(this.directory(bridge), "netns");
  }

  /** Where the caller's namespace is bound. */
  caller(bridge: string): string {
    return join(this.directory(bridge), "caller");
  }

  /** Bridges that have a directory. */
  async list(): Promise<string[]> {
    return await readdir(this.root).catch(() => []);
  }

  /** Undefined for a network that was never made or half made. */
  async read(bridge: string): Promise<NetworkRecord | undefined> {
    return await readJson<NetworkRecord>(this.record(bridge)).catch(() => undefined);
  }

  async write(record: NetworkRecord): Promise<void> {
    await writeAtomically(this.record(record.bridge), `${JSON.stringify(record)}\n`);
  }
}
