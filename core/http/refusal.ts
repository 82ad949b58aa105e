import type { HttpLimits } from "./limits.ts";

/** What to tell a client whose bytes are no request. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Translates node:http's `clientError`; undefined when the connection broke and nobody is there to be told. */
export function refusalOf(error: Error, limits: HttpLimits): Refusal | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return {
      status: 408,
      message:
        `the request's header did not arrive within ${limits.headerTimeoutMs} ms (http.headerTimeoutMs)`,
    };
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    return {
      status: 431,
      message: `the request's header is larger than ${limits.headerBytes} bytes (http.headerBytes)`,
    };
  }
  if (!code?.startsWith("HPE_")) return undefined;
  return {
    status: 400,
    message: `malformed HTTP request: ${error.message.replace(/^Parse Error:? ?/, "") || code}`,
  };
}
