/** What a registry's refusals of a push mean, in the words of Docker's daemon. */
import { ApiError, internal, invalid } from "../../core/support/errors.ts";
import { firstError, isDenied } from "./answers.ts";
import { retryAfterMs } from "./retries.ts";
import type { Answer } from "./transport.ts";

/** A registry that cannot serve now, and perhaps said when it can. */
export class TryLater extends ApiError {
  /** Undefined when the registry did not say. */
  readonly afterMs: number | undefined;

  constructor(message: string, afterMs: number | undefined) {
    super("unavailable", message);
    this.afterMs = afterMs;
  }
}

/** The error for a registry that wants user name and password when the job gave none. */
export const noCredentials = (): ApiError => new ApiError("unauthorized", "no basic auth credentials");

/**
 * The error for an answer that is not a success. Source of words: Docker Engine 28.5, asked; 429 and 5xx pass,
 * OCI distribution spec, "Error Codes".
 */
export async function pushRefusal(answer: Answer): Promise<ApiError> {
  const { status, statusText, headers } = answer;
  const { code, message } = await firstError(answer);
  answer.discard();
  const detail = `${code.toLowerCase().replaceAll("_", " ")}: ${message}`;
  if (isDenied(answer, code)) {
    return new ApiError("unauthorized", "denied: requested access to the resource is denied");
  }
  if (status === 401) return new ApiError("unauthorized", `unauthorized: ${message}`);
  const unexpected = `received unexpected HTTP status: ${status} ${statusText.slice(0, 100)}`;
  if (status === 429 || status >= 500) {
    return new TryLater(code ? detail : unexpected, retryAfterMs(headers["retry-after"]));
  }
  if (status >= 400 && code) return invalid(detail);
  return status >= 400 ? invalid(unexpected) : internal(unexpected);
}
