import type { Route } from "../kernel/route.ts";
import type { ApiVersion } from "../kernel/version.ts";

/** Applies a route's down-shapers that are meant for versions above the request's, newest first. */
export function shapeFor(route: Route, version: ApiVersion, body: unknown): unknown {
  if (!route.shapes) return body;
  let shaped = body;
  for (const { below, shape } of route.shapes) if (!version.atLeast(below)) shaped = shape(shaped);
  return shaped;
}
