import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "smol-toml";
import Type, { type Static } from "typebox";
import { HttpLimitsSchema } from "../http/limits.ts";
import type { BuiltInTable, PluginTable } from "../kernel/loader.ts";
import type { Plugin } from "../kernel/plugin.ts";
import { checkSettings, SettingsError, type SettingsSchema } from "../kernel/settings.ts";
import { settingsText } from "../kernel/settings-text.ts";
import { messageOf } from "../support/errors.ts";

/** The config file's tables that are the daemon's own; `[plugins.<id>]` are the plugins'. */
export const ConfigSchema = Type.Object({
  dataDir: Type.String({
    default: "/var/lib/berth",
    description:
      "Where the daemon keeps everything; its control socket and the jobs' sockets lie under it, so a " +
      "long path leaves no room for them (a socket path holds 107 bytes). --data-dir on the command line wins.",
  }),
  logLevel: Type.Enum(["error", "warn", "info", "debug"], {
    default: "info",
    description: "How much goes to the log on standard error: error, warn, info or debug.",
  }),
  jobs: Type.Object({
    drainMs: Type.Integer({
      default: 2000,
      minimum: 0,
      description:
        "How long a job's running requests may take to end when it closes, in milliseconds; then they are cut.",
    }),
  }, { additionalProperties: false, description: "Jobs." }),
  http: HttpLimitsSchema,
}, { additionalProperties: false });

/** The checked configuration of one daemon. */
export interface Config extends Static<typeof ConfigSchema> {
  /** The config file's directory: relative plugin paths and packages are looked up from it. */
  readonly directory: string;
  readonly plugins: readonly PluginTable[];
}

/** The keys of every `[plugins.<id>]` table that are not the plugin's own settings. */
const PluginTableSchema = Type.Object({
  enabled: Type.Boolean({ default: true, description: "Whether the plugin is loaded." }),
  optional: Type.Boolean({
    default: false,
    description:
      "Whether the daemon starts without the plugin when it fails; a plugin that others need cannot be spared.",
  }),
  path: Type.Optional(Type.String({ description: "A module file to load, relative to this file." })),
  package: Type.Optional(
    Type.String({ description: "A package to load, found from this file's directory." }),
  ),
}, { additionalProperties: false });

/**
 * Reads a config file, strictly: unknown keys are errors with their path.
 *
 * @param path undefined for the defaults
 * @param builtIns the plugins enabled by default: all that come with Berth
 */
export async function loadConfig(
  path: string | undefined,
  builtIns: BuiltInTable,
  overrides: { dataDir?: string } = {},
): Promise<Config> {
  if (path === undefined) return configOf({}, process.cwd(), builtIns, overrides);
  try {
    const raw = parse(await readFile(path, "utf8"));
    return configOf(raw, dirname(resolve(path)), builtIns, overrides);
  } catch (error) {
    throw new Error(`${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Checks configuration that is data already, for embedders. */
export function configOf(
  raw: Readonly<Record<string, unknown>>,
  directory: string,
  builtIns: BuiltInTable,
  overrides: { dataDir?: string } = {},
): Config {
  const { plugins = {}, ...own } = raw;
  const checked = checkSettings<Static<typeof ConfigSchema>>(ConfigSchema as SettingsSchema, own, "");
  if (!isTable(plugins)) throw new SettingsError("plugins", "must be a table of tables");
  const tables = new Map(Object.keys(builtIns).map((id) => [id, pluginTable(id, {}, directory)]));
  for (const [id, table] of Object.entries(plugins)) tables.set(id, pluginTable(id, table, directory));
  const dataDir = resolve(directory, overrides.dataDir ?? checked.dataDir);
  return { ...checked, dataDir, directory, plugins: [...tables.values()] };
}

/** The documented defaults of the daemon and of every plugin, as a config file. */
export async function defaultConfigText(builtIns: BuiltInTable): Promise<string> {
  const plugins: Plugin[] = await Promise.all(
    Object.values(builtIns).map(async (load) => (await load()).default),
  );
  const tables = plugins.map(({ id, summary, settings = {} }) => {
    const { properties } = settings as SettingsSchema;
    return settingsText(
      { description: summary, properties: { ...commonKeys, ...properties } },
      `plugins.${id}`,
    );
  });
  return [settingsText(ConfigSchema as SettingsSchema, ""), ...tables].join("\n");
}

const { enabled, optional } = PluginTableSchema.properties as Record<string, SettingsSchema>;
const commonKeys = { enabled: enabled!, optional: optional! };

function pluginTable(id: string, raw: unknown, directory: string): PluginTable {
  if (!isTable(raw)) throw new SettingsError(`plugins.${id}`, "must be a table");
  const common: Record<string, unknown> = {};
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    (key in PluginTableSchema.properties ? common : settings)[key] = value;
  }
  const checked = checkSettings<Static<typeof PluginTableSchema>>(
    PluginTableSchema as SettingsSchema,
    common,
    `plugins.${id}`,
  );
  return { id, ...checked, path: checked.path && resolve(directory, checked.path), settings };
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
