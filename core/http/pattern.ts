import { invalid, notFound } from "../support/errors.ts";

/** One segment of a route's path: literal text, `{id}` for one segment, or `{name...}` for one or more. */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "one"; readonly name: string }
  | { readonly kind: "many"; readonly name: string };

/** A route's path, taken apart. */
export interface Pattern {
  readonly segments: readonly Segment[];
  /** The path with its parameters' names removed: two patterns of one shape match the same paths. */
  readonly shape: string;
}

/** Reads a route's path. Throws an Error that quotes the path when it is not one. */
export function parsePattern(path: string): Pattern {
  if (!path.startsWith("/")) throw new Error(`route path ${path} does not start with /`);
  const segments = path.slice(1).split("/").map((text) => parseSegment(text, path));
  if (segments.filter(({ kind }) => kind === "many").length > 1) {
    throw new Error(`route path ${path} has two {name...} parameters; one is the most`);
  }
  const shape = segments.map((each) => each.kind === "literal" ? `/${each.text}` : `/{${each.kind}}`).join(
    "",
  );
  return { segments, shape };
}

function parseSegment(text: string, path: string): Segment {
  const match = /^\{([A-Za-z]\w*)(\.\.\.)?\}$/.exec(text);
  if (match) return { kind: match[2] ? "many" : "one", name: match[1] as string };
  if (text === "" || /[{}]/.test(text)) {
    throw new Error(`route path ${path} has the malformed segment "${text}"`);
  }
  return { kind: "literal", text };
}

const rank = { literal: 0, one: 1, many: 2 } as const;

/** Orders patterns so that the first one that matches is the most specific. */
export function bySpecificity(one: Pattern, other: Pattern): number {
  const length = Math.max(one.segments.length, other.segments.length);
  for (let at = 0; at < length; at++) {
    const left = one.segments[at];
    const right = other.segments[at];
    if (!left || !right) return left ? -1 : 1;
    if (rank[left.kind] !== rank[right.kind]) return rank[left.kind] - rank[right.kind];
  }
  return 0;
}

/** The parameters as they stand in the path, still encoded; undefined when the path does not match. */
export function matchSegments(
  { segments }: Pattern,
  path: readonly string[],
): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  const surplus = path.length - segments.length;
  let at = 0;
  for (const segment of segments) {
    const take = segment.kind === "many" ? surplus + 1 : 1;
    if (take < 1 || at + take > path.length) return undefined;
    const text = take === 1 ? path[at] as string : path.slice(at, at + take).join("/");
    at += take;
    if (segment.kind === "literal" ? text !== segment.text : text === "") return undefined;
    if (segment.kind !== "literal") params[segment.name] = text;
  }
  return at === path.length ? params : undefined;
}

/**
 * Percent-decodes parameters in place. Throws 400 for a malformed encoding or a NUL, and 404 for empty, `.` and `..`
 * segments: no object is named so, and a handler that makes a file's path of one must not be led astray.
 */
export function decodeParams(params: Record<string, string>): Record<string, string> {
  for (const name of Object.keys(params)) params[name] = decode(params[name] as string);
  return params;
}

function decode(encoded: string): string {
  const text = encoded.includes("%") ? percentDecode(encoded) : encoded;
  if (text.includes("\0")) throw invalid("the path contains a NUL character");
  for (const segment of text.split("/")) {
    if (segment === "" || segment === "." || segment === "..") throw notFound("page not found");
  }
  return text;
}

function percentDecode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    throw invalid(`the path has a malformed percent-encoding in "${encoded.slice(0, 100)}"`, error);
  }
}
