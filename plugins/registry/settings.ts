import { type Static, Type } from "typebox";

const File = (description: string) => Type.Optional(Type.String({ minLength: 1, description }));

/** One entry of `[[plugins.registry.hosts]]`. */
const HostSettings = Type.Object({
  host: Type.String({
    minLength: 1,
    description: "the registry, host or host:port, as it stands in image names; docker.io for Docker Hub",
  }),
  plainHttp: Type.Optional(Type.Boolean({
    description: "true reaches it over plain http, where everybody on the way can read passwords",
  })),
  caFile: File("PEM file of authorities to trust for this host, besides the well-known ones"),
  clientCertFile: File("PEM file of the certificate that the daemon shows this host; needs clientKeyFile"),
  clientKeyFile: File("PEM file of that certificate's key"),
  insecureSkipVerify: Type.Optional(Type.Boolean({
    description: "true takes any certificate: whoever is on the way can be this registry",
  })),
  mirrors: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    description: "addresses asked before the host itself, in turn, never with a job's credentials",
  })),
}, { additionalProperties: false });

const ProxySettings = Type.Object({
  http: Type.Optional(Type.String({
    description:
      "proxy for registries over plain http; without it HTTP_PROXY of the environment, empty: none",
  })),
  https: Type.Optional(Type.String({
    description: "proxy for registries over https; without it HTTPS_PROXY of the environment, empty: none",
  })),
  no: Type.Optional(Type.String({
    description: "hosts reached directly, in the form of NO_PROXY; without it NO_PROXY of the environment",
  })),
}, { additionalProperties: false });

/** The `[plugins.registry]` table. */
export const Settings = Type.Object({
  plainHttp: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: "registries reached over plain http, as host or host:port; loopback hosts always are",
  }),
  hosts: Type.Array(HostSettings, {
    default: [],
    description: "[[plugins.registry.hosts]] tables, one a registry: host, and any of plainHttp, caFile, " +
      "clientCertFile and clientKeyFile, insecureSkipVerify, mirrors (a list of addresses, https://mirror.example)",
  }),
  proxy: Type.Optional(ProxySettings),
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
  tries: Type.Integer({
    default: 5,
    minimum: 1,
    maximum: 20,
    description: "how often one request is sent when the registry is overloaded or the connection breaks",
  }),
  retryPauseMs: Type.Integer({
    default: 500,
    minimum: 1,
    maximum: 60_000,
    description: "the pause before the second try; each further one is twice as long, give or take a quarter",
  }),
  retryAfterLimitMs: Type.Integer({
    default: 30_000,
    minimum: 0,
    description:
      "the longest pause a registry may ask for with Retry-After; asked for more, the request fails",
  }),
  imageLimitBytes: Type.Integer({
    default: 100 * 1024 ** 3,
    minimum: 1024,
    description: "what the blobs of one image may have in all, as its manifest tells their sizes",
  }),
}, { additionalProperties: false });

export type Settings = Static<typeof Settings>;
export type HostSettings = Static<typeof HostSettings>;
export type ProxySettings = Static<typeof ProxySettings>;
