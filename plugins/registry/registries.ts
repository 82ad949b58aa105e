import type { Logger } from "../../core/support/logger.ts";
import { messageOf } from "../../core/support/errors.ts";
import type {
  AcceptedLogin,
  KnownManifest,
  Platform,
  Registries,
  RegistryCredentials,
  RemoteDescription,
  RemoteReference,
  ResolvedImage,
} from "../images/backend.ts";
import { plainRefusal } from "./answers.ts";
import { describe } from "./describe.ts";
import { hostOf, login } from "./login.ts";
import type { Network } from "./network.ts";
import { checkReference, Repository, type RepositoryAccess } from "./repository.ts";
import { resolveImage } from "./resolve.ts";
import type { Settings } from "./settings.ts";
import { listTags } from "./tags.ts";

/** As whom, and for how long. */
interface Caller {
  readonly credentials: RegistryCredentials | undefined;
  readonly signal: AbortSignal;
}

/** The registry client: stateless but for kept connections. Credentials live as long as the image they fetched. */
export class HttpRegistries implements Registries {
  readonly #network: Network;
  readonly #imageLimitBytes: number;
  readonly #log: Logger;

  constructor(network: Network, { imageLimitBytes }: Pick<Settings, "imageLimitBytes">, log: Logger) {
    this.#network = network;
    this.#imageLimitBytes = imageLimitBytes;
    this.#log = log;
  }

  resolve(
    reference: RemoteReference,
    platform: Platform,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
    known: KnownManifest,
  ): Promise<ResolvedImage> {
    const imageLimitBytes = this.#imageLimitBytes;
    const wish = { name: nameOf(reference), platform, known, imageLimitBytes, signal };
    return this.#ask(reference, { credentials, signal }, {}, (repository) => resolveImage(repository, wish));
  }

  describe(
    reference: RemoteReference,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<RemoteDescription> {
    const caller = { credentials, signal };
    return this.#ask(
      reference,
      caller,
      { refuse: plainRefusal },
      (repository) => describe(repository, nameOf(reference), signal),
    );
  }

  tags(
    reference: RemoteReference,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<string[]> {
    return this.#ask(reference, { credentials, signal }, {}, (repository) => listTags(repository, signal));
  }

  async login(
    serverAddress: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<AcceptedLogin> {
    const base = this.#network.hosts.address(hostOf(serverAddress));
    return await login(base, this.#network.transport, credentials, signal);
  }

  /** Asks the mirrors in turn and at last the registry itself; what a mirror cannot do is no error yet. */
  async #ask<T>(
    reference: RemoteReference,
    { credentials, signal }: Caller,
    access: Pick<RepositoryAccess, "refuse">,
    work: (repository: Repository) => Promise<T>,
  ): Promise<T> {
    checkReference(reference);
    const { hosts } = this.#network;
    for (const mirror of hosts.mirrors(reference.registry)) {
      try {
        return await work(this.#repository(reference, mirror, undefined, { ...access, tries: 1 }));
      } catch (error) {
        signal.throwIfAborted();
        this.#logFailed(reference, mirror, error);
      }
    }
    return await work(this.#repository(reference, hosts.address(reference.registry), credentials, access));
  }

  #repository(
    reference: RemoteReference,
    base: URL,
    credentials: RegistryCredentials | undefined,
    access: Pick<RepositoryAccess, "refuse" | "tries">,
  ): Repository {
    return new Repository(reference, { ...access, base, transport: this.#network.transport, credentials });
  }

  #logFailed({ registry, repository }: RemoteReference, mirror: URL, error: unknown): void {
    const fields = { mirror: mirror.origin, registry, repository, error: messageOf(error) };
    this.#log.warn(fields, "a mirror failed; asking the next");
  }
}

const nameOf = ({ digest, tag }: RemoteReference) => digest ?? tag ?? "latest";
