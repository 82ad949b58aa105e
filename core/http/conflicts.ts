import type { Route } from "../kernel/route.ts";
import { ApiVersion } from "../kernel/version.ts";
import { parsePattern } from "./pattern.ts";

/** A route and the plugin that declares it. */
export interface PluginRoute {
  readonly plugin: string;
  readonly route: Route;
}

/** Two routes that would answer the same request. */
export interface RouteConflict {
  /** The plugin that came second. */
  readonly plugin: string;
  /** Says what collides with what. */
  readonly problem: string;
}

/**
 * Pairs of routes with the same method, the same shape of path (whatever their parameters are called) and versions
 * that overlap. Pure; called while the daemon plans, before anything starts. A malformed path is thrown.
 */
export function findConflicts(routes: readonly PluginRoute[]): RouteConflict[] {
  const seen = new Map<string, PluginRoute[]>();
  const conflicts: RouteConflict[] = [];
  for (const second of routes) {
    const key = `${second.route.method} ${parsePattern(second.route.path).shape}`;
    const others = seen.get(key) ?? [];
    for (const first of others) {
      if (overlap(first.route, second.route)) conflicts.push(conflictOf(first, second));
    }
    others.push(second);
    seen.set(key, others);
  }
  return conflicts;
}

function conflictOf(first: PluginRoute, { plugin, route }: PluginRoute): RouteConflict {
  const problem =
    `${route.method} ${route.path} collides with ${first.route.path} of plugin "${first.plugin}"; disable one`;
  return { plugin, problem };
}

type Range = Pick<Route, "since" | "until">;

function overlap(one: Range, other: Range): boolean {
  return startsBeforeEnd(one.since, other.until) && startsBeforeEnd(other.since, one.until);
}

function startsBeforeEnd(since: string | undefined, until: string | undefined): boolean {
  if (!since || !until) return true;
  return versionOf(until).atLeast(since);
}

/** True when a range has this version. */
export function hasVersion({ since, until }: Range, version: ApiVersion): boolean {
  if (since && !version.atLeast(since)) return false;
  return !until || versionOf(until).atLeast(version.toString());
}

function versionOf(text: string): ApiVersion {
  const version = ApiVersion.parse(text);
  if (!version) throw new Error(`${text} is not an API version`);
  return version;
}
