import { createHash } from "node:crypto";
import { internal, invalid } from "../../core/support/errors.ts";
import type {
  Descriptor,
  ImageSource,
  Platform,
  Registries,
  RegistryCredentials,
  RemoteReference,
  ResolvedImage,
} from "../images/backend.ts";
import { readBlob } from "./blob.ts";
import { hostOf, login } from "./login.ts";
import { acceptedTypes, manifestLimitBytes, type ParsedManifest, parseManifest } from "./manifest.ts";
import { selectPlatform } from "./platform.ts";
import { checkReference, Repository } from "./repository.ts";
import type { Settings } from "./settings.ts";
import { listTags } from "./tags.ts";
import { Transport } from "./transport.ts";

type Fetched = Descriptor & { readonly bytes: Uint8Array; readonly parsed: ParsedManifest };

/** The registry client: stateless but for kept connections. Credentials live as long as the image they fetched. */
export class HttpRegistries implements Registries {
  readonly #transport: Transport;
  readonly #plainHttp: readonly string[];

  constructor(settings: Settings) {
    this.#transport = new Transport(settings);
    this.#plainHttp = settings.plainHttp;
  }

  async resolve(
    reference: RemoteReference,
    platform: Platform,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<ResolvedImage> {
    const repository = this.#repository(reference, credentials);
    const top = await fetchManifest(repository, reference.digest ?? reference.tag ?? "latest", signal);
    const image = top.parsed.kind === "index"
      ? await fetchPlatform(repository, top.parsed.entries, platform, signal)
      : top;
    return { source: sourceOf(repository, image), digest: top.digest };
  }

  tags(
    reference: RemoteReference,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<string[]> {
    return listTags(this.#repository(reference, credentials), signal);
  }

  async login(serverAddress: string, credentials: RegistryCredentials, signal: AbortSignal): Promise<void> {
    await login(this.#address(hostOf(serverAddress)), this.#transport, credentials, signal);
  }

  close(): void {
    this.#transport.close();
  }

  #repository(reference: RemoteReference, credentials: RegistryCredentials | undefined): Repository {
    checkReference(reference);
    return new Repository(reference, this.#address(reference.registry), this.#transport, credentials);
  }

  #address(registry: string): URL {
    const plain = isLoopback(registry) || this.#plainHttp.includes(registry);
    return new URL(`${plain ? "http" : "https"}://${registry}`);
  }
}

/** Docker reaches registries on loopback without TLS too. */
export function isLoopback(registry: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(registry);
}

async function fetchPlatform(
  repository: Repository,
  entries: Parameters<typeof selectPlatform>[0],
  platform: Platform,
  signal: AbortSignal,
): Promise<Fetched> {
  const entry = selectPlatform(entries, platform);
  const image = await fetchManifest(repository, entry.digest, signal);
  if (image.parsed.kind === "index") throw invalid("the image's index lists another index for the platform");
  return image;
}

async function fetchManifest(repository: Repository, name: string, signal: AbortSignal): Promise<Fetched> {
  const answer = await repository.get(`manifests/${name}`, { accept: acceptedTypes }, signal);
  const bytes = await answer.whole(manifestLimitBytes);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const told = answer.headers["docker-content-digest"];
  const expected = name.startsWith("sha256:") ? name : undefined;
  if (expected && expected !== digest) {
    throw invalid(`manifest verification failed for digest ${expected}: the registry sent ${digest}`);
  }
  if (typeof told === "string" && told.startsWith("sha256:") && told !== digest) {
    throw invalid(`the registry says the manifest is ${told.slice(0, 100)} and sent ${digest}`);
  }
  const parsed = parseManifest(bytes, answer.headers["content-type"]);
  return { mediaType: parsed.mediaType, digest, sizeBytes: bytes.length, bytes, parsed };
}

function sourceOf(repository: Repository, image: Fetched): ImageSource {
  if (image.parsed.kind !== "manifest") throw internal("an index is not an image");
  const { registry, repository: path } = repository.reference;
  const { mediaType, digest, sizeBytes, bytes } = image;
  return {
    origin: `${registry}/${path}`,
    manifest: { mediaType, digest, sizeBytes, bytes },
    config: image.parsed.config,
    layers: image.parsed.layers,
    read: (blob, offset, signal) => readBlob(repository, blob, offset, signal),
  };
}
