import { ConnectError } from "@connectrpc/connect";
import { ApiError, invalid } from "../../../core/support/errors.ts";
import { engineError } from "../errors.ts";

/** What the runtime says when it is the command that cannot be run: the client's mistake, not the engine's. */
const commandMistakes = [
  "executable file not found",
  "no such file or directory",
  "permission denied",
  "is a directory",
  "not a directory",
  "exec format error",
];

/**
 * Turns the failure of a task's creation or start into Docker's words. Clients read the reason from the text: the
 * docker CLI makes exit code 127 of "executable file not found" and 126 of "permission denied".
 */
export function startError(error: unknown): Error {
  if (error instanceof ApiError || !(error instanceof ConnectError)) {
    return engineError(error, "cannot start");
  }
  // containerd ends every error that it cannot classify so.
  const text = `failed to create task for container: ${error.rawMessage.replace(/: unknown$/, "")}`;
  const mistaken = error.rawMessage.includes("OCI runtime create failed") &&
    commandMistakes.some((words) => error.rawMessage.includes(words));
  return mistaken ? invalid(text, error) : engineError(error, "failed to create task for container");
}
