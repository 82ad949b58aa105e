import { invalid } from "../support/errors.ts";
import type { ApiVersion } from "./version.ts";

/** What a handler gets: one request of one job, parsed. The same for every route kind. */
export interface ApiRequest {
  readonly method: string;
  /** The path without its version prefix, still percent-encoded. */
  readonly path: string;
  /** The route pattern's parameters, percent-decoded: `{id}` of `/containers/{id}/json`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** Header values by lower-case name; repeated headers joined by `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The version of the path's prefix, or the current one. */
  readonly version: ApiVersion;
  /**
   * The body as it arrives, with back-pressure: nothing is read ahead of the consumer beyond one socket buffer.
   * For hijack routes use the connection's input instead.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * The whole body as JSON; undefined when it is empty. Errors: 400 for malformed JSON, 413 when it is larger
   * than the configured `http.jsonBodyBytes`.
   */
  json<T = unknown>(): Promise<T | undefined>;
  /** Fires when the client is gone before the response ended, or the job closes. */
  readonly signal: AbortSignal;
}

const mostFilterValues = 1_000;

/** A query string read the way Docker's daemon reads it. */
export class Query {
  readonly #values: URLSearchParams;

  constructor(values: URLSearchParams) {
    this.#values = values;
  }

  /** The first value, or undefined when the key is absent. */
  text(name: string): string | undefined {
    return this.#values.get(name) ?? undefined;
  }

  all(name: string): string[] {
    return this.#values.getAll(name);
  }

  names(): string[] {
    return [...new Set(this.#values.keys())];
  }

  /** True unless absent, empty, `0`, `no`, `false` or `none`. Source: moby `httputils.BoolValue`. */
  flag(name: string, otherwise = false): boolean {
    const value = this.#values.get(name);
    if (value === null) return otherwise;
    return !["", "0", "no", "false", "none"].includes(value.trim().toLowerCase());
  }

  /** A whole number; undefined when absent or empty; 400 naming the key otherwise. */
  integer(name: string): number | undefined {
    const value = this.#values.get(name);
    if (value === null || value === "") return undefined;
    if (!/^[+-]?\d+$/.test(value)) {
      throw invalid(`invalid value for ${name}: ${JSON.stringify(value)} is not a number`);
    }
    return Number(value);
  }

  /**
   * The `filters` parameter: a JSON object of lists, or the older object of objects
   * (`{"label":{"a=b":true}}`, API below 1.22 and still sent). Refuses keys outside `known` as Docker does.
   */
  filters(known: readonly string[]): Map<string, string[]> {
    const text = this.text("filters");
    const filters = new Map<string, string[]>();
    if (!text) return filters;
    const given = Object.entries(parseFilters(text));
    const count = given.reduce((sum, [, values]) => sum + values.length, 0);
    // Each value is held against each object of a list.
    if (count > mostFilterValues) throw invalid(`invalid filters: more than ${mostFilterValues} values`);
    for (const [key, values] of given) {
      if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
      filters.set(key, values);
    }
    return filters;
  }
}

function parseFilters(text: string): Record<string, string[]> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw invalid(`invalid filters: ${text.slice(0, 100)} is not JSON`, error);
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw invalid("invalid filters: not an object");
  }
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, filterValues(key, value)]));
}

function filterValues(key: string, value: unknown): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    // Whatever stands behind a name: Docker looks at the names alone.
    return Object.keys(value);
  }
  throw invalid(`invalid filters: values of '${key}' are not a list of strings`);
}
