/** The registry client as the plugin makes it, with short times. */
import { checkSettings } from "../../core/kernel/settings.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import type { ImageSource, KnownManifest } from "../../plugins/images/backend.ts";
import { Network } from "../../plugins/registry/network.ts";
import type { Environment } from "../../plugins/registry/proxy.ts";
import { HttpRegistries } from "../../plugins/registry/registries.ts";
import { Settings } from "../../plugins/registry/settings.ts";

/** A signal that never fires. */
export const never = new AbortController().signal;

/** A store that knows no manifest. */
export const nothingKnown: KnownManifest = () => Promise.resolve(undefined);

const quick = { responseTimeoutMs: 2000, idleTimeoutMs: 300, tries: 3, retryPauseMs: 5 };

/** Settings as the config file gives them: defaults filled in, with short times. */
export function settings(given: object = {}): Settings {
  return checkSettings<Settings>(Settings, { ...quick, ...given }, "plugins.registry");
}

/** A client that closes with the test. */
export function client(
  undo: Undo,
  given: object = {},
  { environment = {}, log = silent }: { environment?: Environment; log?: typeof silent } = {},
): HttpRegistries {
  const all = settings(given);
  const network = new Network(all, environment);
  undo.add("client", () => network.close());
  return new HttpRegistries(network, all, log);
}

/** All bytes of a blob. */
export async function whole(
  source: ImageSource,
  blob: Parameters<ImageSource["read"]>[0],
  offset = 0,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of source.read(blob, offset, never)) parts.push(chunk);
  return Buffer.concat(parts);
}
