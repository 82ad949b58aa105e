import { Code, ConnectError } from "@connectrpc/connect";
import { ApiError, type ErrorKind } from "../../core/support/errors.ts";

/** The gRPC code of a failed call; undefined for errors that are none. */
export function codeOf(error: unknown): Code | undefined {
  return error instanceof ConnectError ? error.code : undefined;
}

export const isNotFound = (error: unknown): boolean => codeOf(error) === Code.NotFound;
export const isAlreadyThere = (error: unknown): boolean => codeOf(error) === Code.AlreadyExists;

/** Whether containerd is down, restarting, or went away during the call. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && kindOfCode[code] === "unavailable";
}

const kindOfCode: Partial<Record<Code, ErrorKind>> = {
  [Code.NotFound]: "not-found",
  [Code.AlreadyExists]: "conflict",
  // containerd says so of a snapshot with children, a task that runs, a namespace that is not empty.
  [Code.FailedPrecondition]: "conflict",
  [Code.InvalidArgument]: "invalid",
  // The socket refuses, or the stream broke: containerd is down or restarting.
  [Code.Unavailable]: "unavailable",
  [Code.Aborted]: "unavailable",
  // Calls that a signal ended are told apart before; the others were cut when containerd died.
  [Code.Canceled]: "unavailable",
  [Code.ResourceExhausted]: "unavailable",
  [Code.DeadlineExceeded]: "unavailable",
};

/**
 * Turns what a call to containerd threw into an error with an answer. Use where the operation is known: the same
 * code means different things to a create and a remove.
 *
 * @param operation what was tried, `cannot unpack layer sha256:…`
 * @param signal when it fired, its reason is the error: the caller asked for the end
 */
export function engineError(error: unknown, operation: string, signal?: AbortSignal): Error {
  if (signal?.aborted) return signal.reason as Error;
  if (error instanceof ApiError) return error;
  if (!(error instanceof ConnectError)) {
    return error instanceof Error ? error : new Error(`${operation}: ${String(error)}`);
  }
  const kind = kindOfCode[error.code] ?? "internal";
  const detail = kind === "unavailable"
    ? `containerd is not answering: ${error.rawMessage}`
    : error.rawMessage;
  return new ApiError(kind, `${operation}: ${detail}`, { cause: error });
}

/** Awaits a call whose object may be gone already; undefined then. */
export async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Awaits a creation of something that may be there already; undefined then. */
export async function unlessPresent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isAlreadyThere(error)) return undefined;
    throw error;
  }
}
