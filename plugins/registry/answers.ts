/** What a registry's refusals mean, in the words of Docker's daemon. */
import { ApiError, internal, invalid, notFound } from "../../core/support/errors.ts";
import type { RemoteReference } from "../images/backend.ts";
import { parseChallenges } from "./challenge.ts";
import { printable } from "./go-words.ts";
import type { Answer } from "./transport.ts";

/** Error bodies longer than this are not read, in bytes. */
const errorLimitBytes = 64 * 1024;

/** What a registry says of a request it did not serve. Source: OCI distribution spec, "Error Codes". */
export interface RegistryError {
  readonly code: string;
  readonly message: string;
}

/** The repository as the user wrote it: `busybox`, `registry.example/team/app`. */
export const repositoryName = (reference: RemoteReference): string =>
  reference.name ?? `${reference.registry}/${reference.repository}`;

/** The reference as the user wrote it: `busybox:latest`. */
export function referenceName(reference: RemoteReference): string {
  if (reference.digest) return `${repositoryName(reference)}@${reference.digest}`;
  return `${repositoryName(reference)}:${reference.tag ?? "latest"}`;
}

/**
 * The error for an answer that is not a success, with the reference in front as `docker pull` shows it. Source of
 * statuses and words: Docker Engine 28.5, asked; codes: OCI distribution spec, "Error Codes".
 */
export async function refusal(reference: RemoteReference, answer: Answer): Promise<ApiError> {
  const error = await firstError(answer);
  const name = repositoryName(reference);
  if (isDenied(answer, error.code)) {
    return notFound(
      `pull access denied for ${name}, repository does not exist or may require 'docker login': ` +
        (error.code === "DENIED" ? detailOf(error) : "denied: requested access to the resource is denied"),
    );
  }
  if (error.code === "NAME_UNKNOWN") return notFound(`repository ${name} not found: ${detailOf(error)}`);
  if (answer.status === 404 && error.code === "MANIFEST_UNKNOWN") {
    return notFound(`manifest for ${referenceName(reference)} not found: ${detailOf(error)}`);
  }
  return plainError(answer, error);
}

/** The error for an answer that is not a success, as the registry gave it: what `docker manifest` and logins show. */
export const plainRefusal = async (answer: Answer): Promise<ApiError> =>
  plainError(answer, await firstError(answer));

function plainError(answer: Answer, error: RegistryError): ApiError {
  const { status, statusText } = answer;
  if (status === 401 && !isDenied(answer, error.code)) {
    return new ApiError("unauthorized", `unauthorized: ${error.message}`);
  }
  if (isDenied(answer, error.code)) return new ApiError("forbidden", detailOf({ ...error, code: "DENIED" }));
  if (status === 404) return notFound(error.code === "BLOB_UNKNOWN" ? "unknown blob" : detailOf(error));
  if (status === 429) return new ApiError("unavailable", detailOf(error));
  if (status >= 400 && status < 500 && error.code) return invalid(detailOf(error));
  return internal(`received unexpected HTTP status: ${status} ${printable(statusText)}`);
}

const detailOf = ({ code, message }: RegistryError) =>
  `${code.toLowerCase().replaceAll("_", " ")}: ${message}`;

/** Docker Hub answers 401 with `insufficient_scope` for a repository that is private or does not exist. */
export function isDenied(answer: Answer, code: string): boolean {
  if (answer.status === 403) return true;
  if (answer.status !== 401) return false;
  const challenges = parseChallenges(answer.headers["www-authenticate"] ?? "");
  return code === "DENIED" || challenges.some(({ parameters }) => parameters.error === "insufficient_scope");
}

const usualErrors: Readonly<Record<number, RegistryError>> = {
  401: { code: "UNAUTHORIZED", message: "authentication required" },
  403: { code: "DENIED", message: "requested access to the resource is denied" },
  404: { code: "MANIFEST_UNKNOWN", message: "manifest unknown" },
  429: { code: "TOOMANYREQUESTS", message: "too many requests" },
};

/** The first error of an answer's body, or the usual one for its status. Never rejects. */
export async function firstError(answer: Answer): Promise<RegistryError> {
  const usual = usualErrors[answer.status] ?? { code: "", message: "" };
  try {
    const body = JSON.parse(new TextDecoder().decode(await answer.whole(errorLimitBytes)));
    const { code, message } = body.errors[0];
    if (typeof code !== "string" || !/^[A-Z_]{1,64}$/.test(code)) return usual;
    return { code, message: typeof message === "string" ? printable(answer.redact(message)) : usual.message };
  } catch {
    return usual;
  }
}
