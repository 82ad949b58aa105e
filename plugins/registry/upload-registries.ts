import type { RegistryCredentials, RemoteReference } from "../images/backend.ts";
import type { PushRegistries, PushRepository } from "../push/backend.ts";
import type { Network } from "./network.ts";
import type { UploadSettings } from "./upload-place.ts";
import { HttpPushRepository } from "./upload-repository.ts";

/** The upload side of the registry client. Pushes go to the registry itself: mirrors are for reading. */
export class HttpPushRegistries implements PushRegistries {
  readonly #network: Network;
  readonly #settings: UploadSettings;

  constructor(network: Network, settings: UploadSettings) {
    this.#network = network;
    this.#settings = settings;
  }

  repository(target: RemoteReference, credentials: RegistryCredentials | undefined): PushRepository {
    const { transport, hosts } = this.#network;
    const base = hosts.address(target.registry);
    return new HttpPushRepository(target, {
      base,
      transport,
      credentials,
      settings: this.#settings,
    });
  }
}
