import { inject } from "../../core/kernel/scope.ts";
import {
  type AcceptedLogin,
  type Registries,
  RegistriesToken,
  type RegistryCredentials,
  type RegistryLogins,
} from "./backend.ts";
import { configuredCredentials, credentialsOf, speaksForItself } from "./credentials.ts";
import { registryOfAddress } from "./remote.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** Logins that a job may have at a time. */
const mostLogins = 100;

/** One job's logins, by the host of the registry. */
export class JobLogins implements RegistryLogins {
  readonly #registries: Registries;
  readonly #settings: Settings;
  readonly #kept = new Map<string, RegistryCredentials>();

  constructor(@inject(RegistriesToken) registries: Registries, @inject(SettingsToken) settings: Settings) {
    this.#registries = registries;
    this.#settings = settings;
  }

  async login(
    serverAddress: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<AcceptedLogin> {
    const registry = registryOfAddress(serverAddress, this.#settings);
    const accepted = await this.#registries.login(registry, credentials, signal);
    this.#keep(registry, withToken(credentials, accepted));
    return accepted;
  }

  credentialsFor(
    headers: Readonly<Record<string, string | undefined>>,
    registry: string,
  ): RegistryCredentials | undefined {
    if (speaksForItself(headers)) return credentialsOf(headers["x-registry-auth"]);
    const isMeant = (address: string) => registryOfAddress(address, this.#settings) === registry;
    return configuredCredentials(headers["x-registry-config"], isMeant) ??
      this.#kept.get(registry);
  }

  close(): void {
    this.#kept.clear();
  }

  #keep(registry: string, credentials: RegistryCredentials): void {
    this.#kept.delete(registry);
    if (Object.values(credentials).every((value) => !value)) return;
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= mostLogins && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(registry, credentials);
  }
}

/** An identity token stands for the password from then on: the password need not be kept. */
function withToken(credentials: RegistryCredentials, { identityToken }: AcceptedLogin): RegistryCredentials {
  if (!identityToken) return credentials;
  return { username: credentials.username, identitytoken: identityToken };
}
