import { type Static, Type } from "typebox";

/** The `[plugins.registry]` table. */
export const Settings = Type.Object({
  plainHttp: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: "registries reached over plain http, as host or host:port; loopback hosts always are",
  }),
  responseTimeoutMs: Type.Integer({
    default: 30_000,
    minimum: 100,
    description: "how long a registry may take to connect and answer the headers of one request",
  }),
  idleTimeoutMs: Type.Integer({
    default: 60_000,
    minimum: 100,
    description: "how long a download may stand still before it counts as broken and is resumed",
  }),
  commitTimeoutMs: Type.Integer({
    default: 300_000,
    minimum: 100,
    description: "how long a registry may take to put a blob away that it was sent as a whole",
  }),
}, { additionalProperties: false });

export type Settings = Static<typeof Settings>;
