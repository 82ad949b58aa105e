import { type Static, Type } from "typebox";
import { type Token, token } from "../../core/kernel/scope.ts";
import { CacheSettings, watermarksOf } from "./cache/settings.ts";
import { preloadReferences, preloadSettings } from "./preload/settings.ts";

/** What the job-scoped objects of this area read of the `[plugins.images]` table. */
export const AreaSettings = Type.Object({
  defaultRegistry: Type.String({
    default: "docker.io",
    minLength: 1,
    description: "the registry, host or host:port, that serves names without one, such as busybox",
  }),
  loadLimitBytes: Type.Integer({
    default: 20 * 1024 ** 3,
    minimum: 1024,
    description:
      "the largest archive, unpacked from its compression, that `docker load` and `docker import` take; also what a " +
      "job's archives may take on disk together while they are loaded",
  }),
  importFromUrls: Type.Boolean({
    default: true,
    description:
      "whether `docker import URL` makes the daemon download; it reaches what the daemon's host does, and a " +
      "job may see other networks: turn it off where services on the host's network trust whoever asks",
  }),
}, { additionalProperties: false });

export type Settings = Static<typeof AreaSettings>;

/** The whole table, with what concerns the daemon and no job. */
export const PluginSettings = Type.Object({
  ...AreaSettings.properties,
  ...preloadSettings,
  cache: CacheSettings,
}, { additionalProperties: false });

export type PluginSettings = Static<typeof PluginSettings>;

/** Checks what a schema cannot say. Errors start with the key. */
export function checkSettings(settings: PluginSettings): PluginSettings {
  watermarksOf(settings.cache);
  preloadReferences(settings);
  return settings;
}

/** Job-scoped; the objects of this area take it from each other. */
export const SettingsToken: Token<Settings> = token("images.settings");
