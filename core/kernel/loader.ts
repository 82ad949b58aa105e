import { resolve } from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { messageOf } from "../support/errors.ts";
import type { Plugin } from "./plugin.ts";

/** The plugins that come with Berth, by id, loaded only when enabled. The composition root passes it in. */
export type BuiltInTable = Readonly<Record<string, () => Promise<{ default: Plugin }>>>;

/** One plugin's table of the config file. */
export interface PluginTable {
  readonly id: string;
  readonly enabled: boolean;
  /** When true, a failure of this plugin does not stop the boot. */
  readonly optional: boolean;
  /** A module file to load instead of a built-in; absolute. */
  readonly path?: string;
  /** A package to load instead of a built-in, found from the config file's directory. */
  readonly package?: string;
  /** All other keys of the table. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A plugin that failed, and in which phase of its life: `plugin "x" failed to load: …`. */
export class PluginError extends Error {
  readonly plugin: string;
  readonly phase: string;

  constructor(plugin: string, phase: string, cause: unknown) {
    super(`plugin "${plugin}" failed to ${phase}: ${messageOf(cause)}`, { cause });
    this.name = "PluginError";
    this.plugin = plugin;
    this.phase = phase;
  }
}

/**
 * Imports one plugin's module.
 *
 * @param directory where packages are looked up from: the config file's directory
 */
export async function loadPlugin(
  table: PluginTable,
  builtIns: BuiltInTable,
  directory: string,
): Promise<Plugin> {
  try {
    const loaded = await importModule(table, builtIns, directory);
    const plugin = loaded.default as Plugin | undefined;
    if (typeof plugin !== "object" || plugin === null || typeof plugin.id !== "string") {
      throw new Error("the module's default export is not a plugin");
    }
    if (plugin.id !== table.id) {
      throw new Error(`it calls itself "${plugin.id}"; its table must be [plugins.${plugin.id}]`);
    }
    return plugin;
  } catch (error) {
    throw new PluginError(table.id, "load", error);
  }
}

function importModule(
  table: PluginTable,
  builtIns: BuiltInTable,
  directory: string,
): Promise<{ default?: unknown }> {
  if (table.path) return import(pathToFileURL(resolve(directory, table.path)).href);
  if (table.package) {
    const from = createRequire(resolve(directory, "berth.toml"));
    return import(pathToFileURL(from.resolve(table.package)).href);
  }
  const load = builtIns[table.id];
  if (load) return load();
  const known = Object.keys(builtIns).sort().join(", ");
  throw new Error(`no plugin of this name comes with berth (${known}); give its table a path or a package`);
}
