import { type Static, Type } from "typebox";
import { type Token, token } from "../../core/kernel/scope.ts";

/** The `[plugins.images]` table. */
export const Settings = Type.Object({
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

export type Settings = Static<typeof Settings>;

/** Job-scoped; the objects of this area take it from each other. */
export const SettingsToken: Token<Settings> = token("images.settings");
