import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { ApiError, apiErrorOf, type ErrorKind, messageOf } from "../support/errors.ts";

/** How an error's kind travels: one Connect code for each kind that the control API answers. */
const codeOfKind: Record<ErrorKind, Code> = {
  invalid: Code.InvalidArgument,
  unauthorized: Code.Unauthenticated,
  forbidden: Code.PermissionDenied,
  "not-found": Code.NotFound,
  timeout: Code.DeadlineExceeded,
  conflict: Code.FailedPrecondition,
  "too-large": Code.ResourceExhausted,
  "header-too-large": Code.ResourceExhausted,
  "not-modified": Code.AlreadyExists,
  internal: Code.Internal,
  "not-implemented": Code.Unimplemented,
  unavailable: Code.Unavailable,
};

/** Turns what a handler of the control API threw into what its client gets: the message as it is, the kind as a code. */
export function toConnectError(error: unknown): ConnectError {
  const known = apiErrorOf(error);
  const code = known ? codeOfKind[known.kind] : Code.Internal;
  return new ConnectError(known?.message ?? messageOf(error), code, undefined, undefined, error);
}

/** The way back: the error that the daemon meant, with the kind it had there. */
export function fromConnectError(error: ConnectError): ApiError {
  return new ApiError(kindOfCode(error.code), error.rawMessage, { cause: error });
}

function kindOfCode(code: Code): ErrorKind {
  const kinds = Object.keys(codeOfKind) as ErrorKind[];
  return kinds.find((kind) => codeOfKind[kind] === code) ?? "internal";
}

/** An interceptor that passes every error of a call, before its first message or between two, through `translate`. */
export function translatingErrors(translate: (error: unknown) => unknown): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: translated(response.message, translate) } : response;
    } catch (error) {
      throw translate(error);
    }
  };
}

async function* translated<T>(messages: AsyncIterable<T>, translate: (error: unknown) => unknown) {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error);
  }
}
