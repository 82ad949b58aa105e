import { Agent } from "node:http";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ApiError } from "../support/errors.ts";
import { fromConnectError, translatingErrors } from "./error-codes.ts";
import { ControlService } from "./gen/berth/control/v1/control_pb.ts";
import { controlSocketPath } from "./socket-path.ts";

/** The control API of a running daemon, one method for each operation of `control.proto`. */
export type ControlClient = Client<typeof ControlService>;

/** Nobody listens on the control socket of this data directory. */
export class NoDaemon extends ApiError {
  constructor(dataDir: string, cause?: unknown) {
    super("unavailable", `no daemon is running at ${dataDir}: start one with \`berth serve\``, { cause });
    this.name = "NoDaemon";
  }
}

/**
 * Makes a client of the daemon in this data directory. Nothing is sent before the first call, and no connection
 * outlives one. Calls reject with an error whose chain of causes holds the ApiError that the daemon threw, or
 * {@link NoDaemon}: find it with `apiErrorOf`.
 */
export function controlClient(dataDir: string): ControlClient {
  const socketPath = controlSocketPath(dataDir);
  const transport = createConnectTransport({
    // The host is never looked up; the socket path decides.
    baseUrl: "http://berth",
    httpVersion: "1.1",
    nodeOptions: { socketPath, agent: new Agent({ keepAlive: false }) },
    interceptors: [translatingErrors((error) => translate(error, dataDir))],
  });
  return createClient(ControlService, transport);
}

function translate(error: unknown, dataDir: string): unknown {
  const socketPath = controlSocketPath(dataDir);
  switch (systemCodeOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
    case "ECONNREFUSED":
      return new NoDaemon(dataDir, error);
    case "EACCES":
    case "EPERM":
      return new ApiError(
        "forbidden",
        `${socketPath} belongs to another user: run as that user, or as root`,
        {
          cause: error,
        },
      );
    case "ECONNRESET":
    case "EPIPE":
      return new ApiError("unavailable", `the daemon at ${dataDir} went away before it answered`, {
        cause: error,
      });
  }
  return error instanceof ConnectError ? fromConnectError(error) : error;
}

/** The operating system's name for what went wrong, somewhere in the chain of causes. */
function systemCodeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = (at as NodeJS.ErrnoException).code as string | Code | undefined;
    if (typeof code === "string") return code;
  }
  return undefined;
}
