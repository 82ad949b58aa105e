import { call } from "../support/engine-api.ts";
import { readBody, type RecordedAnswer } from "./normalise.ts";

/** Answers by the name of their step. */
export type Recording = Record<string, RecordedAnswer>;

/** Sends a request and records the answer under a name; gives its text. */
export type Ask = (
  name: string,
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<string>;

/** Asks one engine, and records into an object. */
export function recorder(socketPath: string, recording: Recording): Ask {
  return async (name, method, path, body, headers) => {
    if (recording[name]) throw new Error(`two steps are called ${name}`);
    const answer = await call(socketPath, method, path, { body, headers });
    const contentType = String(answer.headers["content-type"] ?? "");
    recording[name] = { status: answer.status, contentType, body: readBody(contentType, answer.text) };
    return answer.text;
  };
}

/** A query's `filters`, ready for a path. */
export const filters = (value: object): string => `filters=${encodeURIComponent(JSON.stringify(value))}`;

/** A query's `platform`, as JSON, ready for a path. */
export const platform = (os: string, architecture: string, key = "platform"): string =>
  `${key}=${encodeURIComponent(JSON.stringify({ os, architecture }))}`;

/** An image's name, ready for a path. */
export const inPath = (name: string): string => name.split("/").map(encodeURIComponent).join("/");
