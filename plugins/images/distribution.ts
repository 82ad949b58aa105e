import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import {
  type Registries,
  RegistriesToken,
  type RegistryLogins,
  RegistryLoginsToken,
  type RemotePlatform,
} from "./backend.ts";
import { parseReference, withDefaultTag } from "./reference.ts";
import { remoteOf } from "./remote.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** `GET /distribution/{name}/json`: what a registry has under a name, without pulling it. */
export class ImageDistribution {
  readonly #registries: Registries;
  readonly #logins: RegistryLogins;
  readonly #settings: Settings;

  constructor(
    @inject(RegistriesToken) registries: Registries,
    @inject(RegistryLoginsToken) logins: RegistryLogins,
    @inject(SettingsToken) settings: Settings,
  ) {
    this.#registries = registries;
    this.#logins = logins;
    this.#settings = settings;
  }

  async inspect({ params, headers, signal }: ApiRequest): Promise<Reply> {
    const remote = remoteOf(withDefaultTag(parseReference(params.name ?? "")), this.#settings);
    const credentials = this.#logins.credentialsFor(headers, remote.registry);
    const { descriptor, platforms } = await this.#registries.describe(remote, credentials, signal);
    const { mediaType, digest, sizeBytes } = descriptor;
    return json({
      Descriptor: { mediaType, digest, size: sizeBytes },
      // Docker's answer when the registry tells none.
      Platforms: platforms.length === 0 ? null : platforms.map(platformBody),
    });
  }
}

/** Fields without a value are left out, as Docker does. Source: OCI image spec, "Image Index". */
function platformBody({ architecture, os, osVersion, osFeatures, variant }: RemotePlatform): object {
  return {
    architecture,
    os,
    ...(osVersion && { "os.version": osVersion }),
    ...(osFeatures?.length && { "os.features": osFeatures }),
    ...(variant && { variant }),
  };
}
