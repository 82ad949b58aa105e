/**
 * The closed set of ways a request can fail. Each maps to one HTTP status, here and nowhere else.
 * A plugin picks the kind; the http layer alone turns it into a status line.
 */
export const statusOfKind = {
  /** The request cannot be understood, or names a field that cannot be honoured. */
  invalid: 400,
  /** The job presented no or wrong credentials to a registry. */
  unauthorized: 401,
  /** The operator's policy says no. Name the field, the value and the policy key. */
  forbidden: 403,
  /** The object does not exist, or does not exist for this job. */
  "not-found": 404,
  /** The request did not arrive in time. */
  timeout: 408,
  /** The object is in a state that does not allow the operation. */
  conflict: 409,
  /** The body is larger than the limit. */
  "too-large": 413,
  /** The request's header is larger than the limit. */
  "header-too-large": 431,
  /** The state asked for is the state it is in. Sent without a body. */
  "not-modified": 304,
  /** A fault of ours, or one that nobody translated. */
  internal: 500,
  /** The Engine API has this operation; this daemon does not serve it. */
  "not-implemented": 501,
  /** An engine is down for the moment; trying again may help. */
  unavailable: 503,
} as const;

export type ErrorKind = keyof typeof statusOfKind;

/**
 * An error with an answer: what a handler throws when it knows what to tell the client.
 * Messages are lower case, name the object and the way out, and carry no stack. Where Docker has words for
 * it, use Docker's: clients match on them.
 */
export class ApiError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiError";
    this.kind = kind;
  }

  /** The HTTP status of this error's kind. */
  get status(): number {
    return statusOfKind[this.kind];
  }
}

export const invalid = (message: string, cause?: unknown) => new ApiError("invalid", message, { cause });
export const notFound = (message: string, cause?: unknown) => new ApiError("not-found", message, { cause });
export const conflict = (message: string, cause?: unknown) => new ApiError("conflict", message, { cause });
export const unavailable = (message: string, cause?: unknown) =>
  new ApiError("unavailable", message, { cause });
export const internal = (message: string, cause?: unknown) => new ApiError("internal", message, { cause });

/**
 * A create or update field that Berth does not honour yet. Never accept and ignore: a job that asked for a
 * memory limit and did not get one finds out at night.
 *
 * @param field the field's path as in the Engine API, `HostConfig.Memory`
 */
export const unsupportedField = (field: string, detail = "") =>
  invalid(`${field} is not supported by this engine yet${detail && `: ${detail}`}; leave it out`);

/** The ApiError that decides the answer: the outermost one in the chain of causes, if there is one. */
export function apiErrorOf(error: unknown): ApiError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof ApiError) return at;
  return undefined;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** True for the error that an AbortSignal's reason or a Node API throws when its signal fires. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "ClientGone");
}
