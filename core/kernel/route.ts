import type { Reply } from "./reply.ts";
import type { ApiRequest } from "./request.ts";
import type { Token } from "./scope.ts";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "DELETE";

/** A method of a handler class that answers requests. */
export type Handler = (request: ApiRequest) => Promise<Reply> | Reply;

/** Changes a JSON body into what clients of older versions expect. */
export interface DownShaper {
  /** Applied to requests below this version, `1.44`. */
  readonly below: string;
  /** Gets the body of the next newer version, and may change it in place. */
  shape(body: unknown): unknown;
}

/** One operation, as data: planned, listed and checked for conflicts before anything starts. */
export interface Route {
  readonly method: Method;
  /**
   * `/containers/{id}/json`. `{name}` takes one segment, `{name...}` one or more (image names have slashes).
   * The more specific pattern wins, whatever the order of plugins.
   */
  readonly path: string;
  /** First API version that has it; default: all. */
  readonly since?: string;
  /** Last API version that has it; default: all. */
  readonly until?: string;
  /** The job-scoped object that answers, and its method. */
  readonly handler: Token<unknown>;
  readonly call: string;
  /**
   * json: answers one object, has a JSON body limit. stream: a long answer or upload, no idle limit.
   * hijack: takes the connection over.
   */
  readonly kind: "json" | "stream" | "hijack";
  /** Newest first. */
  readonly shapes?: readonly DownShaper[];
}

type CallsOf<T> = { [K in keyof T]: T[K] extends Handler ? K : never }[keyof T] & string;

type RouteOptions = Partial<Pick<Route, "kind" | "since" | "until" | "shapes">>;

/**
 * Writes one route; the compiler checks that the handler has the method.
 *
 *     route("GET", "/containers/json", ContainerList, "list", { since: "1.24" })
 */
export function route<T>(
  method: Method,
  path: string,
  handler: Token<T>,
  call: CallsOf<T>,
  options: RouteOptions = {},
): Route {
  return { method, path, handler: handler as Token<unknown>, call, kind: "json", ...options };
}
