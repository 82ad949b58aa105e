import type { Route } from "../kernel/route.ts";
import type { ApiVersion } from "../kernel/version.ts";
import { ApiError, apiErrorOf, internal, messageOf, notFound } from "../support/errors.ts";
import { catalog, neverServed, type Operation } from "./catalog.ts";
import { hasVersion, type PluginRoute } from "./conflicts.ts";
import { bySpecificity, decodeParams, matchSegments, parsePattern, type Pattern } from "./pattern.ts";

export { findConflicts } from "./conflicts.ts";

/** What a request's path leads to: a route with its decoded parameters, or the error to answer. */
export type Match =
  | {
    readonly kind: "found";
    readonly plugin: string;
    readonly route: Route;
    readonly params: Readonly<Record<string, string>>;
  }
  | { readonly kind: "refused"; readonly error: ApiError };

type Target = { readonly served: PluginRoute } | { readonly unserved: ApiError };
type Entry = Target & { readonly method: string; readonly pattern: Pattern; readonly match: Match };

const noParams: Readonly<Record<string, string>> = Object.freeze({});
const pageNotFound: Match = { kind: "refused", error: notFound("page not found") };

/** Which plugin's route answers which request. Built once, when all plugins run, and shared by every job. */
export class RouteTable {
  readonly #fixed = new Map<string, Map<string, Entry[]>>();
  readonly #variable = new Map<string, Map<string, Entry[]>>();

  /**
   * @param loaded the routes of the plugins that run, in any order: the most specific path wins
   * @param unserved why plugins that exist do not run, by plugin id: their operations answer 501 with it
   */
  constructor(loaded: readonly PluginRoute[], unserved: ReadonlyMap<string, string>) {
    const entries = loaded.map(servedEntry);
    const shapes = new Set(entries.map(keyOf));
    const running = new Set(loaded.map(({ plugin }) => plugin));
    for (const operation of catalog) {
      const entry = unservedEntry(operation, running, unserved);
      if (!shapes.has(keyOf(entry))) entries.push(entry);
    }
    entries.sort((one, other) => bySpecificity(one.pattern, other.pattern));
    for (const entry of entries) this.#file(entry);
  }

  /**
   * Finds the route of a request.
   *
   * @param path without the version prefix and the query, still percent-encoded
   * @returns `refused` with 501 for an operation that nobody serves, naming the plugin and the way to it; with 404
   * `page not found` for everything else, wrong methods included, as Docker does; with 400 for a malformed encoding
   */
  match(method: string, path: string, version: ApiVersion): Match {
    const fixed = this.#fixed.get(method)?.get(path);
    const entry = fixed && inVersion(fixed, version);
    return entry ? entry.match : this.#matchVariable(method, path, version);
  }

  #matchVariable(method: string, path: string, version: ApiVersion): Match {
    const segments = path.slice(1).split("/");
    for (const entry of this.#variable.get(method)?.get(segments[0] as string) ?? []) {
      const params = matchSegments(entry.pattern, segments);
      if (!params || !inVersion([entry], version)) continue;
      return entry.match.kind === "found" ? withParams(entry.match, params) : entry.match;
    }
    return pageNotFound;
  }

  #file(entry: Entry): void {
    const { segments, shape } = entry.pattern;
    const [first] = segments;
    const isFixed = segments.every(({ kind }) => kind === "literal");
    const byPath = isFixed ? this.#fixed : this.#variable;
    if (first?.kind !== "literal") throw new Error(`route path ${shape} must start with a literal segment`);
    const ofMethod = byPath.get(entry.method) ?? new Map<string, Entry[]>();
    const key = isFixed ? shape : first.text;
    ofMethod.set(key, [...ofMethod.get(key) ?? [], entry]);
    byPath.set(entry.method, ofMethod);
  }
}

const keyOf = ({ method, pattern }: Entry) => `${method} ${pattern.shape}`;

function inVersion(entries: readonly Entry[], version: ApiVersion): Entry | undefined {
  return entries.find((entry) => !("served" in entry) || hasVersion(entry.served.route, version));
}

function withParams(match: Match & { kind: "found" }, params: Record<string, string>): Match {
  try {
    return { kind: "found", plugin: match.plugin, route: match.route, params: decodeParams(params) };
  } catch (error) {
    return { kind: "refused", error: apiErrorOf(error) ?? internal(messageOf(error), error) };
  }
}

function servedEntry(served: PluginRoute): Entry {
  const { plugin, route } = served;
  const match: Match = { kind: "found", plugin, route, params: noParams };
  return { served, method: route.method, pattern: parsePattern(route.path), match };
}

function unservedEntry(
  operation: Operation,
  running: ReadonlySet<string>,
  reasons: ReadonlyMap<string, string>,
): Entry {
  const error = new ApiError("not-implemented", whyUnserved(operation, running, reasons));
  const { method, path } = operation;
  return { unserved: error, method, pattern: parsePattern(path), match: { kind: "refused", error } };
}

function whyUnserved(
  { method, path, area }: Operation,
  running: ReadonlySet<string>,
  reasons: ReadonlyMap<string, string>,
): string {
  // The docker CLI goes on to the next kind of object, in `docker inspect`, when it reads "not supported".
  const what = `${method} ${path} is not supported`;
  const never = neverServed.get(area);
  if (never) return `${what}: ${never}`;
  if (running.has(area)) return `${what} by the "${area}" plugin yet`;
  const reason = reasons.get(area);
  if (reason) return `${what} now: the "${area}" plugin would serve it, and does not run: ${reason}`;
  // Built-in plugins are enabled, or have a reason.
  return `${what} here: a plugin "${area}" would serve it, and none comes with this version; ` +
    `name one from elsewhere in [plugins.${area}] of the config`;
}
