import { type Static, Type } from "typebox";
import { type Token, token } from "../../core/kernel/scope.ts";

/** The `[plugins.push]` table. */
export const Settings = Type.Object({
  concurrentUploads: Type.Integer({
    default: 5,
    minimum: 1,
    maximum: 100,
    description: "how many layers of one job are uploaded at once; more help against slow registries alone",
  }),
  compressionLevel: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 9,
    description: "gzip level for layers that came uncompressed; higher is smaller and slower",
  }),
}, { additionalProperties: false });

export type Settings = Static<typeof Settings>;

/** Job-scoped; the objects of this area take it from each other. */
export const SettingsToken: Token<Settings> = token("push.settings");
