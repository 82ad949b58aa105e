/** The CNI plugins, run as the CNI specification (0.4.0) says: verb in the environment, configuration on stdin. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CommandFailed, run } from "../../core/support/spawn.ts";

/** The plugins that Berth needs; all are in Debian's containernetworking-plugins. */
export const neededPlugins = ["bridge", "host-local", "loopback"] as const;

export type CniPluginName = typeof neededPlugins[number];

/** The spec version of our configurations: the newest that every plugin since 0.8 of 2019 understands. */
const cniVersion = "0.4.0";

/** Where an interface is to be. */
export interface CniTarget {
  /** Key of the address reservation, with the interface's name; `[a-zA-Z0-9_.-]`. */
  readonly containerId: string;
  readonly namespacePath: string;
  readonly interfaceName: string;
}

/** The part of an ADD's result that we read. */
export interface CniResult {
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly sandbox?: string;
  }[];
  readonly ips?: readonly { readonly address: string; readonly gateway?: string }[];
}

/** A CNI plugin said no; the message is the plugin's own. */
export class CniFailed extends Error {
  constructor(plugin: string, verb: string, message: string, options?: ErrorOptions) {
    super(`cni plugin ${plugin} failed to ${verb}: ${message}`, options);
    this.name = "CniFailed";
  }
}

/** The plugins in some directories. */
export class CniPrograms {
  readonly #directories: readonly string[];

  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  /** The path of a plugin; undefined when no directory has it. */
  find(plugin: CniPluginName): string | undefined {
    return this.#directories.map((directory) => join(directory, plugin)).find(existsSync);
  }

  async add(
    plugin: CniPluginName,
    network: object,
    target: CniTarget,
    signal?: AbortSignal,
  ): Promise<CniResult> {
    return JSON.parse(await this.#run(plugin, "ADD", network, target, signal)) as CniResult;
  }

  /** Takes an interface away; succeeds when it is gone already. */
  async remove(plugin: CniPluginName, network: object, target: CniTarget): Promise<void> {
    await this.#run(plugin, "DEL", network, target);
  }

  /** What the bridge plugin calls its version, `v1.1.1`; distributions' builds may say `unknown`. */
  async version(): Promise<string> {
    const path = this.find("bridge");
    if (!path) return "unknown";
    const { stderr, stdout } = await run(path, [], { env: { CNI_COMMAND: undefined }, exitCodes: [0, 1] });
    return /version (\S+)/.exec(stderr + stdout)?.[1] ?? "unknown";
  }

  async #run(
    plugin: CniPluginName,
    verb: "ADD" | "DEL",
    network: object,
    target: CniTarget,
    signal?: AbortSignal,
  ): Promise<string> {
    const path = this.find(plugin) ?? plugin;
    try {
      const { stdout } = await run(path, [], {
        stdin: JSON.stringify({ cniVersion, ...network }),
        env: {
          CNI_COMMAND: verb,
          CNI_CONTAINERID: target.containerId,
          CNI_NETNS: target.namespacePath,
          CNI_IFNAME: target.interfaceName,
          CNI_PATH: this.#directories.join(":"),
          CNI_ARGS: undefined,
        },
        signal,
      });
      return stdout;
    } catch (error) {
      if (error instanceof CommandFailed) throw new CniFailed(plugin, verb, wordsOf(error), { cause: error });
      throw error;
    }
  }
}

/** A failing plugin prints an error object on standard output. */
function wordsOf(failure: CommandFailed): string {
  try {
    const { msg, details } = JSON.parse(failure.stdout) as { msg?: string; details?: string };
    if (msg) return [msg, details].filter(Boolean).join("; ");
  } catch {
    // It died before it could say anything.
  }
  return failure.message;
}
