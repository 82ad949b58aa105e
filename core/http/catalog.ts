import type { Method } from "../kernel/route.ts";

/** One operation of the Engine API, whoever serves it here. */
export interface Operation {
  readonly method: Method;
  /** In the syntax of a route's path. */
  readonly path: string;
  /** The id of the plugin that serves it, or one of {@link neverServed}'s keys. */
  readonly area: string;
  /** The API version that brought it, for the docs; default: 1.24 or older. Engine 28.5 answers older clients too. */
  readonly since?: string;
}

/** Areas that no plugin is going to serve, and what to do without them. */
export const neverServed: ReadonlyMap<string, string> = new Map([
  ["swarm", "swarm mode is not part of this engine; use compose, or docker stack against a real swarm"],
  [
    "engine-plugins",
    "Docker engine plugins cannot be managed here; the operator configures plugins of the daemon",
  ],
]);

/** Writes the operations of one area: `GET /path` or `GET+HEAD /path`, optionally `1.31` behind it. */
function area(id: string, table: string): Operation[] {
  return table.trim().split("\n").flatMap((line) => {
    const [methods = "", path = "", since] = line.trim().split(/\s+/);
    return methods.split("+").map((method) => ({ method: method as Method, path, area: id, since }));
  });
}

/**
 * Every operation of the Engine API, 1.24 to 1.51: what is here and not served answers 501, what is not answers 404.
 * Source: the Engine API reference of those versions.
 */
export const catalog: readonly Operation[] = [
  ...area(
    "system",
    `
    GET+HEAD  /_ping
    GET       /version
    GET       /info
    GET       /events
    POST      /auth
    GET       /system/df  1.25
  `,
  ),
  ...area(
    "images",
    `
    GET       /images/json
    GET       /images/search
    GET       /images/get
    GET       /images/{name...}/get
    GET       /images/{name...}/history
    GET       /images/{name...}/json
    GET       /distribution/{name...}/json  1.30
    POST      /images/create
    POST      /images/load
    POST      /images/prune  1.25
    POST      /images/{name...}/tag
    DELETE    /images/{name...}
  `,
  ),
  ...area("push", "POST /images/{name...}/push"),
  ...area(
    "containers",
    `
    GET       /containers/json
    GET       /containers/{id}/json
    GET       /containers/{id}/top
    GET       /containers/{id}/logs
    GET       /containers/{id}/stats
    GET       /containers/{id}/attach/ws
    POST      /containers/create
    POST      /containers/prune  1.25
    POST      /containers/{id}/attach
    POST      /containers/{id}/kill
    POST      /containers/{id}/pause
    POST      /containers/{id}/rename
    POST      /containers/{id}/resize
    POST      /containers/{id}/restart
    POST      /containers/{id}/start
    POST      /containers/{id}/stop
    POST      /containers/{id}/unpause
    POST      /containers/{id}/update
    POST      /containers/{id}/wait
    DELETE    /containers/{id}
  `,
  ),
  ...area(
    "exec",
    `
    POST      /containers/{id}/exec
    POST      /exec/{id}/start
    POST      /exec/{id}/resize
    GET       /exec/{id}/json
  `,
  ),
  ...area(
    "archive",
    `
    GET+HEAD+PUT  /containers/{id}/archive
    GET       /containers/{id}/changes
    GET       /containers/{id}/export
    POST      /commit
  `,
  ),
  ...area(
    "networks",
    `
    GET       /networks
    GET       /networks/{id}
    POST      /networks/create
    POST      /networks/prune  1.25
    POST      /networks/{id}/connect
    POST      /networks/{id}/disconnect
    DELETE    /networks/{id}
  `,
  ),
  ...area(
    "volumes",
    `
    GET       /volumes
    GET       /volumes/{name}
    POST      /volumes/create
    POST      /volumes/prune  1.25
    PUT       /volumes/{name}  1.42
    DELETE    /volumes/{name}
  `,
  ),
  ...area(
    "build",
    `
    POST      /build
    POST      /build/prune  1.31
    POST      /build/cancel  1.39
    POST      /session  1.31
    POST      /grpc  1.39
  `,
  ),
  ...area(
    "swarm",
    `
    GET       /swarm
    GET       /swarm/unlockkey
    POST      /swarm/init
    POST      /swarm/join
    POST      /swarm/leave
    POST      /swarm/update
    POST      /swarm/unlock
    GET       /services
    GET       /services/{id}
    GET       /services/{id}/logs
    POST      /services/create
    POST      /services/{id}/update
    DELETE    /services/{id}
    GET       /nodes
    GET       /nodes/{id}
    POST      /nodes/{id}/update
    DELETE    /nodes/{id}
    GET       /tasks
    GET       /tasks/{id}
    GET       /tasks/{id}/logs
    GET       /secrets  1.25
    GET       /secrets/{id}  1.25
    POST      /secrets/create  1.25
    POST      /secrets/{id}/update  1.25
    DELETE    /secrets/{id}  1.25
    GET       /configs  1.30
    GET       /configs/{id}  1.30
    POST      /configs/create  1.30
    POST      /configs/{id}/update  1.30
    DELETE    /configs/{id}  1.30
  `,
  ),
  ...area(
    "engine-plugins",
    `
    GET       /plugins
    GET       /plugins/privileges
    GET       /plugins/{name...}/json
    POST      /plugins/pull
    POST      /plugins/create
    POST      /plugins/{name...}/enable
    POST      /plugins/{name...}/disable
    POST      /plugins/{name...}/push
    POST      /plugins/{name...}/upgrade
    POST      /plugins/{name...}/set
    DELETE    /plugins/{name...}
  `,
  ),
];
