import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject } from "../../core/kernel/scope.ts";
import { invalid } from "../../core/support/errors.ts";
import type { ImagesToPush, PushTarget } from "../push/backend.ts";
import {
  type Descriptor,
  type ImageStore,
  ImageStoreToken,
  type RegistryCredentials,
  type RegistryLogins,
  RegistryLoginsToken,
  type StoredImage,
} from "./backend.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";
import { familiarName, parseReference, parseWithTag, type Reference } from "./reference.ts";
import { registryOf } from "./remote.ts";
import { type Settings, SettingsToken } from "./settings.ts";

/** The part of this area that the push area sees. */
export class TableImagesToPush implements ImagesToPush {
  readonly #table: ImageTable;
  readonly #store: ImageStore;
  readonly #settings: Settings;
  readonly #logins: RegistryLogins;

  constructor(
    @inject(ImageTableToken) table: ImageTable,
    @inject(ImageStoreToken) store: ImageStore,
    @inject(SettingsToken) settings: Settings,
    @inject(RegistryLoginsToken) logins: RegistryLogins,
  ) {
    this.#table = table;
    this.#store = store;
    this.#settings = settings;
    this.#logins = logins;
  }

  target(name: string, tag: string): PushTarget {
    const reference = understood(name, tag);
    const { domain, path } = reference;
    const familiar = familiarName(reference);
    return {
      remote: { registry: registryOf(domain, this.#settings), repository: path, name: familiar },
      fullName: `${domain}/${path}`,
      name: familiar,
      ...(reference.tag !== undefined && { tag: reference.tag }),
      byDigest: reference.tag === undefined && reference.digest !== undefined,
      ...this.#namesIn(familiar),
    };
  }

  credentials({ remote }: PushTarget, headers: ApiRequest["headers"]): RegistryCredentials | undefined {
    return this.#logins.credentialsFor(headers, remote.registry);
  }

  find(name: string): StoredImage {
    return this.#table.find(name);
  }

  all(): readonly StoredImage[] {
    return this.#table.list().map(({ image }) => image);
  }

  read(blob: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#store.read(blob, offset, signal);
  }

  async pushed(image: StoredImage, { name }: PushTarget, digest: string): Promise<void> {
    // It may have been removed meanwhile.
    if (!this.#table.has(image.id)) return;
    const { domain, path } = parseReference(name);
    await this.#table.add(image, [{ domain, path, digest }]);
  }

  #namesIn(repository: string): Pick<PushTarget, "isKnown" | "tags"> {
    const found = this.#table.list().flatMap(({ image, tags, digests }) =>
      [...tags, ...digests].map((name) => ({ image, reference: parseReference(name) }))
    ).filter(({ reference }) => familiarName(reference) === repository);
    const tags = found.flatMap(({ image, reference: { tag } }) => tag === undefined ? [] : [{ tag, image }]);
    return { isKnown: found.length > 0, tags: tags.sort((a, b) => a.tag < b.tag ? -1 : 1) };
  }
}

/** A tag and a digest together mean the tag; a digest as the parameter is none, as with Docker. */
function understood(name: string, tag: string): Reference {
  if (!tag) return parseReference(name);
  const reference = parseReference(name);
  if (reference.digest !== undefined) throw invalid("cannot import digest reference");
  if (tag.includes(":")) throw invalid("invalid tag format");
  return parseWithTag(name, tag);
}
