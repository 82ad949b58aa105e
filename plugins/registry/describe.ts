import type { Descriptor, RemoteDescription, RemotePlatform } from "../images/backend.ts";
import { readBlob } from "./blob.ts";
import { type ParsedManifest, platformOf } from "./manifest.ts";
import type { Repository } from "./repository.ts";

/** A configuration larger than this is not asked for its platform, in bytes. */
const configLimitBytes = 4 * 1024 * 1024;

/** What a reference names: its descriptor, and the platforms it is for. As Docker answers `/distribution/…/json`. */
export async function describe(
  repository: Repository,
  name: string,
  signal: AbortSignal,
): Promise<RemoteDescription> {
  const { mediaType, digest, sizeBytes, parsed } = await repository.manifest(name, signal);
  const platforms = (await platformsOf(repository, parsed, signal)).filter((each) => each !== undefined);
  return { descriptor: { mediaType, digest, sizeBytes }, platforms };
}

async function platformsOf(
  repository: Repository,
  parsed: ParsedManifest,
  signal: AbortSignal,
): Promise<(RemotePlatform | undefined)[]> {
  if (parsed.kind === "index") return parsed.entries.map(({ platform }) => complete(platform));
  return [complete(platformOf(await readConfig(repository, parsed.config, signal)))];
}

function complete(platform: Partial<RemotePlatform> | undefined): RemotePlatform | undefined {
  const { os = "", architecture = "" } = platform ?? {};
  return os || architecture ? { ...platform, os, architecture } : undefined;
}

/** The configuration; undefined when it cannot be had or is none: then the platform is unknown, as with Docker. */
async function readConfig(repository: Repository, config: Descriptor, signal: AbortSignal): Promise<unknown> {
  if (config.sizeBytes > configLimitBytes) return undefined;
  try {
    const parts: Uint8Array[] = [];
    for await (const chunk of readBlob(repository, config, 0, signal)) parts.push(chunk);
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
