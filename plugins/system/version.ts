import type { DaemonFacts } from "../../core/kernel/plugin.ts";
import { json, type Reply } from "../../core/kernel/reply.ts";
import { inject } from "../../core/kernel/scope.ts";
import { DaemonToken, type PluginDirectory, PluginDirectoryToken } from "../../core/kernel/tokens.ts";
import { currentApiVersion, minimumApiVersion } from "../../core/kernel/version.ts";
import { type HostFacts, readHostFacts } from "./host.ts";

/** `GET /version`: what the daemon is and what stands behind it. */
export class VersionFacts {
  readonly #daemon: DaemonFacts;
  readonly #plugins: PluginDirectory;

  constructor(
    @inject(DaemonToken) daemon: DaemonFacts,
    @inject(PluginDirectoryToken) plugins: PluginDirectory,
  ) {
    this.#daemon = daemon;
    this.#plugins = plugins;
  }

  async show(): Promise<Reply> {
    const host = await readHostFacts();
    return json({
      Platform: { Name: "Berth" },
      Components: [this.#engine(host), ...await this.#components()],
      Version: this.#daemon.version,
      ApiVersion: currentApiVersion.toString(),
      MinAPIVersion: minimumApiVersion.toString(),
      // Of Go and git there are none; clients index these keys.
      GitCommit: "",
      GoVersion: "",
      Os: "linux",
      Arch: host.architecture,
      KernelVersion: host.kernelVersion,
      BuildTime: "",
    });
  }

  /** Clients look for the component named `Engine` and print these details. */
  #engine(host: HostFacts) {
    return {
      Name: "Engine",
      Version: this.#daemon.version,
      Details: {
        ApiVersion: currentApiVersion.toString(),
        Arch: host.architecture,
        BuildTime: "",
        Experimental: "false",
        GitCommit: "",
        GoVersion: "",
        KernelVersion: host.kernelVersion,
        MinAPIVersion: minimumApiVersion.toString(),
        Os: "linux",
        Runtime: this.#daemon.runtime,
      },
    };
  }

  async #components() {
    const described = await this.#plugins.describe();
    return described.filter(({ version }) => version !== undefined).map(({ id, version, details }) => ({
      Name: id,
      Version: version,
      // The docker CLI prints this key of every component.
      Details: { GitCommit: "", ...details },
    }));
  }
}
