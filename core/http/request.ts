import type { IncomingMessage } from "node:http";
import type { Route } from "../kernel/route.ts";
import { type ApiRequest, Query } from "../kernel/request.ts";
import type { ApiVersion } from "../kernel/version.ts";
import { collect, parseJson } from "./body.ts";

/** What a request takes from the exchange it belongs to, when it is asked for. */
export interface RequestSource {
  readonly message: IncomingMessage;
  readonly signal: AbortSignal;
  /** The body under the rules of a route's kind. */
  body(kind: Route["kind"]): AsyncIterable<Uint8Array>;
  /** The body under the rules for JSON. */
  jsonBody(): AsyncIterable<Uint8Array>;
}

/** The first argument of a handler. Everything that costs something is made when it is first asked for. */
export class HttpRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly version: ApiVersion;
  readonly #source: RequestSource;
  readonly #kind: Route["kind"];
  readonly #queryText: string;
  #query: Query | undefined;
  #json: Promise<unknown> | undefined;

  constructor(
    source: RequestSource,
    kind: Route["kind"],
    target: { path: string; query: string; version: ApiVersion; params: Readonly<Record<string, string>> },
  ) {
    this.method = source.message.method ?? "GET";
    this.path = target.path;
    this.params = target.params;
    this.version = target.version;
    this.#source = source;
    this.#kind = kind;
    this.#queryText = target.query;
  }

  get query(): Query {
    return this.#query ??= new Query(new URLSearchParams(this.#queryText));
  }

  get headers(): Readonly<Record<string, string | undefined>> {
    // node:http makes a list of set-cookie alone, which no request has.
    return this.#source.message.headers as Readonly<Record<string, string | undefined>>;
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#source.body(this.#kind);
  }

  get signal(): AbortSignal {
    return this.#source.signal;
  }

  json<T = unknown>(): Promise<T | undefined> {
    this.#json ??= this.#readJson();
    return this.#json as Promise<T | undefined>;
  }

  async #readJson(): Promise<unknown> {
    const bytes = await collect(this.#source.jsonBody());
    return parseJson(bytes, this.headers["content-type"]);
  }
}

/** A path and its query, taken apart: `/info?a=b`. Absolute forms (`http://host/info`) lose their origin. */
export function splitTarget(url: string): { path: string; query: string } {
  const target = url.startsWith("/") ? url : url.replace(/^[a-z]+:\/\/[^/?]*/i, "");
  const mark = target.indexOf("?");
  if (mark < 0) return { path: target, query: "" };
  return { path: target.slice(0, mark), query: target.slice(mark + 1) };
}
