import type { RegistryCredentials, RemoteReference } from "../images/backend.ts";
import type { PushRegistries, PushRepository } from "../push/backend.ts";
import { isLoopback } from "./registries.ts";
import type { Settings } from "./settings.ts";
import { Transport } from "./transport.ts";
import { HttpPushRepository } from "./upload-repository.ts";

/** The upload side of the registry client: stateless but for kept connections. */
export class HttpPushRegistries implements PushRegistries {
  readonly #transport: Transport;
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#transport = new Transport(settings);
    this.#settings = settings;
  }

  repository(target: RemoteReference, credentials: RegistryCredentials | undefined): PushRepository {
    const { plainHttp, commitTimeoutMs } = this.#settings;
    const plain = isLoopback(target.registry) || plainHttp.includes(target.registry);
    const base = new URL(`${plain ? "http" : "https"}://${target.registry}`);
    return new HttpPushRepository(target, { base, transport: this.#transport, credentials, commitTimeoutMs });
  }

  close(): void {
    this.#transport.close();
  }
}
