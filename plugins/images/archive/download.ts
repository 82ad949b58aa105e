/** Downloads for `docker import URL`, made by the daemon. */
import { within } from "../../../core/support/deadline.ts";
import { ApiError, type ErrorKind, internal, invalid, messageOf } from "../../../core/support/errors.ts";

/** Time to the headers of an answer, and between two pieces of its body, in milliseconds. */
export interface DownloadTimes {
  readonly headersMs: number;
  readonly idleMs: number;
}

const standardTimes: DownloadTimes = { headersMs: 30_000, idleMs: 60_000 };

/** Source: Go's HTTP client, which Docker uses. */
const mostRedirects = 10;
/** So much of a refusal's body is shown, in characters. */
const longestRefusal = 1_000;

/** An answer whose body has not been read. */
export interface Download {
  /** As it is shown: without a password. */
  readonly url: string;
  /** Undefined when the server does not say. */
  readonly sizeBytes: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Asks for a URL. One without a scheme is http, as with Docker. Credentials in a URL go to its host alone. Errors in
 * Docker's words: `invalid` for what is no http or https URL, the answer's status where there is a kind for it,
 * otherwise `internal`; the signal's reason.
 */
export async function download(
  source: string,
  signal: AbortSignal,
  times: DownloadTimes = standardTimes,
): Promise<Download> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  let url = urlOf(source);
  for (let redirects = 0;; redirects++) {
    const response = await ask(url, either, times, stop);
    const next = redirectOf(response, url);
    if (!next) return await answered(response, url, times, stop);
    await response.body?.cancel();
    if (redirects >= mostRedirects) {
      throw internal(`Get "${shown(next)}": stopped after ${mostRedirects} redirects`);
    }
    url = next;
  }
}

function urlOf(source: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? source : `http://${source}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw invalid(`fromSrc is no URL: ${source.slice(0, 200)}`);
  return checked(url);
}

function checked(url: URL): URL {
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw invalid(`Get "${shown(url)}": unsupported protocol scheme "${url.protocol.slice(0, -1)}"`);
}

async function ask(
  url: URL,
  signal: AbortSignal,
  { headersMs }: DownloadTimes,
  stop: AbortController,
): Promise<Response> {
  const bare = new URL(url);
  [bare.username, bare.password] = ["", ""];
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const headers = {
    "Accept-Encoding": "identity",
    ...(login !== ":" && { Authorization: `Basic ${Buffer.from(login).toString("base64")}` }),
  };
  const asking = fetch(bare, { headers, redirect: "manual", signal });
  try {
    return await within("the answer", headersMs, asking);
  } catch (error) {
    stop.abort();
    asking.catch(() => {});
    if (signal.aborted && signal.reason !== stop.signal.reason) throw signal.reason;
    throw internal(`Get "${shown(url)}": ${reasonOf(error)}`, error);
  }
}

/** What fetch throws says nothing; what made it throw does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return messageOf(cause ?? error);
}

function redirectOf({ status, headers }: Response, url: URL): URL | undefined {
  const location = headers.get("location");
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined;
  if (!URL.canParse(location, url.href)) throw internal(`Get "${shown(url)}": redirected to no URL`);
  return checked(new URL(location, url.href));
}

async function answered(
  response: Response,
  url: URL,
  times: DownloadTimes,
  stop: AbortController,
): Promise<Download> {
  const body = bodyOf(response, times, stop);
  if (!response.ok) throw await refusal(response, url, body);
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  return { url: shown(url), sizeBytes: Number.isSafeInteger(length) ? length : undefined, body };
}

async function* bodyOf(
  { body }: Response,
  { idleMs }: DownloadTimes,
  stop: AbortController,
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const next = await within("the next piece of the download", idleMs, reader.read());
      if (next.done) return;
      yield next.value;
    }
  } catch (error) {
    throw error instanceof ApiError ? error : internal(`the download broke off: ${reasonOf(error)}`, error);
  } finally {
    await reader.cancel().catch(() => {});
    stop.abort();
  }
}

const kinds: Readonly<Record<number, ErrorKind>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
};

async function refusal(
  { status, statusText }: Response,
  url: URL,
  body: AsyncIterable<Uint8Array>,
): Promise<ApiError> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > longestRefusal) break;
  }
  const said = text.slice(0, longestRefusal).trim();
  return new ApiError(
    kinds[status] ?? "internal",
    `failed to GET ${shown(url)} with status ${status} ${statusText}: ${said}`,
  );
}

/** A URL for texts that others may read. */
function shown(url: URL): string {
  const copy = new URL(url);
  if (copy.password) copy.password = "xxxxx";
  return copy.href;
}
