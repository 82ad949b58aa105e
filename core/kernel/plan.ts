import { PluginError, type PluginTable } from "./loader.ts";
import { contractVersion, type Plugin } from "./plugin.ts";
import { checkSettings, type SettingsSchema } from "./settings.ts";
import type { Token } from "./scope.ts";

/** A plugin that passed every check that can be made before anything starts. */
export interface PlannedPlugin {
  readonly plugin: Plugin;
  readonly settings: unknown;
  readonly optional: boolean;
}

const noSettings: SettingsSchema = { type: "object", properties: {}, additionalProperties: false };

/**
 * Checks plugins against each other and orders them so that each comes after those it takes from: contract number,
 * settings, one provider for each token, nothing missing, no circle. Pure; the first problem is thrown as a
 * PluginError that names the plugin.
 *
 * @param fromCore tokens that the kernel itself binds
 */
export function planPlugins(
  loaded: readonly { plugin: Plugin; table: PluginTable }[],
  fromCore: readonly Token<unknown>[],
): PlannedPlugin[] {
  const planned = loaded.map(({ plugin, table }) => configurePlugin(plugin, table));
  const providers = findProviders(planned, fromCore);
  for (const { plugin } of planned) refuseMissing(plugin, providers);
  return inOrder(planned, providers);
}

/** Checks one plugin on its own: its contract number and its settings. */
export function configurePlugin(plugin: Plugin, table: PluginTable): PlannedPlugin {
  if (plugin.contract !== contractVersion) {
    const problem = new Error(
      `it was made for plugin contract ${plugin.contract}, this is ${contractVersion}`,
    );
    throw new PluginError(plugin.id, "load", problem);
  }
  try {
    const schema = (plugin.settings ?? noSettings) as SettingsSchema;
    const checked = checkSettings<unknown>(schema, table.settings, `plugins.${plugin.id}`);
    const settings = plugin.configure ? plugin.configure(checked) : checked;
    return { plugin, settings, optional: table.optional };
  } catch (error) {
    throw new PluginError(plugin.id, "configure", error);
  }
}

type Providers = ReadonlyMap<symbol, string>;
const core = "core";

function findProviders(planned: readonly PlannedPlugin[], fromCore: readonly Token<unknown>[]): Providers {
  const providers = new Map(fromCore.map(({ key }) => [key, core]));
  for (const { plugin } of planned) {
    for (const { name, key } of plugin.provides ?? []) {
      const other = providers.get(key);
      if (other) {
        throw new PluginError(
          plugin.id,
          "load",
          new Error(`${name} is provided by "${other}" already; disable one`),
        );
      }
      providers.set(key, plugin.id);
    }
  }
  return providers;
}

function refuseMissing(plugin: Plugin, providers: Providers): void {
  for (const { name, key } of plugin.requires ?? []) {
    if (!providers.has(key)) {
      throw new PluginError(
        plugin.id,
        "load",
        new Error(`it requires ${name}, and no enabled plugin provides it`),
      );
    }
  }
}

function inOrder(planned: readonly PlannedPlugin[], providers: Providers): PlannedPlugin[] {
  const byId = new Map(planned.map((each) => [each.plugin.id, each]));
  const ordered = new Set<PlannedPlugin>();
  const visit = (each: PlannedPlugin, path: readonly string[]) => {
    if (ordered.has(each)) return;
    const { id, requires = [], wants = [] } = each.plugin;
    if (path.includes(id)) {
      const circle = [...path.slice(path.indexOf(id)), id].join(" → ");
      throw new PluginError(id, "load", new Error(`plugins require each other in a circle: ${circle}`));
    }
    for (const { key } of [...requires, ...wants]) {
      const provider = byId.get(providers.get(key) ?? core);
      if (provider && provider !== each) visit(provider, [...path, id]);
    }
    ordered.add(each);
  };
  for (const each of planned) visit(each, []);
  return [...ordered];
}
