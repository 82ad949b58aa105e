import { type Config, loadConfig } from "../../daemon/config.ts";
import type { BuiltInTable } from "../../kernel/loader.ts";

/** What a daemon with this configuration takes from its host: only that is looked for. */
export interface HostNeeds {
  readonly dataDir: string;
  /** The containerd that runs already, or the programs of a private one; undefined when another engine is plugged in. */
  readonly containerd?: { readonly address: string } | { readonly binary: string; readonly runc: string };
  /** Where CNI plugins are looked for; undefined when networks are another plugin's. */
  readonly cniDirs?: readonly string[];
}

/**
 * Reads what is needed from the config file, or from the defaults. Errors: those of {@link loadConfig}.
 *
 * @param dataDir as given on the command line; it wins over the config file's
 */
export async function hostNeeds(
  file: string | undefined,
  builtIns: BuiltInTable,
  dataDir: string | undefined,
): Promise<HostNeeds> {
  const config = await loadConfig(file, builtIns, { dataDir });
  const containerd = settingsOf(config, "containerd");
  const cni = settingsOf(config, "cni");
  return {
    dataDir: config.dataDir,
    containerd: containerd && containerdOf(containerd),
    cniDirs: cni && (stringsIn(cni.binDirs) ?? ["/opt/cni/bin", "/usr/lib/cni"]),
  };
}

type Settings = Readonly<Record<string, unknown>>;

function settingsOf({ plugins }: Config, id: string): Settings | undefined {
  return plugins.find((plugin) => plugin.id === id && plugin.enabled)?.settings;
}

function containerdOf({ address, binary, runc }: Settings): HostNeeds["containerd"] {
  if (typeof address === "string") return { address };
  const named = (value: unknown, otherwise: string) => typeof value === "string" ? value : otherwise;
  return { binary: named(binary, "containerd"), runc: named(runc, "runc") };
}

const stringsIn = (value: unknown) =>
  Array.isArray(value) && value.every((each) => typeof each === "string") ? value : undefined;
