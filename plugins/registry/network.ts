import { type Token, token } from "../../core/kernel/scope.ts";
import { Hosts } from "./hosts.ts";
import { type Environment, Proxies } from "./proxy.ts";
import type { Settings } from "./settings.ts";
import { Transport } from "./transport.ts";

/** Daemon-scoped; what reaches registries shares one. */
export const NetworkToken: Token<Network> = token("registry.network");

/** The way to registries: what the operator says of hosts and proxies, and the connections that are kept. */
export class Network {
  readonly transport: Transport;
  readonly hosts: Hosts;

  /** Reads the files that settings name. Errors: a SettingsError that names the key. */
  constructor(settings: Settings, environment: Environment) {
    this.hosts = new Hosts(settings);
    this.transport = new Transport(settings, this.hosts, new Proxies(settings.proxy, environment));
  }

  close(): void {
    this.transport.close();
  }
}
