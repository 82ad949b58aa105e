import { createServer, type Server } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { toConnectError, translatingErrors } from "../../core/control/error-codes.ts";
import { ControlService } from "../../core/control/gen/berth/control/v1/control_pb.ts";
import { controlSocketPath } from "../../core/control/socket-path.ts";
import { type Jobs, JobsToken } from "../../core/jobs/jobs.ts";
import { bindSocket, type BoundSocket } from "../../core/http/socket.ts";
import type { DaemonFacts } from "../../core/kernel/plugin.ts";
import { inject, type Managed, optional } from "../../core/kernel/scope.ts";
import { DaemonToken, type PluginDirectory, PluginDirectoryToken } from "../../core/kernel/tokens.ts";
import { within } from "../../core/support/deadline.ts";
import { type CacheAdmin, CacheAdminToken } from "./backend.ts";
import { Holds } from "./holds.ts";
import { controlOperations } from "./operations.ts";

/** Largest message of a client. A request for a job is a few hundred bytes, its labels at most a few thousand. */
const readMaxBytes = 1024 * 1024;
/** How long calls in progress may take to end when the daemon stops, in milliseconds. */
const drainMs = 2_000;

/** Serves the control API on `<data dir>/control.sock` while it is open: Connect over HTTP/1.1, mode 0600. */
export class ControlServer implements Managed {
  readonly #socketPath: string;
  readonly #holds: Holds;
  readonly #server: Server;
  #bound: BoundSocket | undefined;

  constructor(
    @inject(JobsToken) jobs: Jobs,
    @inject(PluginDirectoryToken) plugins: PluginDirectory,
    @inject(DaemonToken) daemon: DaemonFacts,
    @inject(optional(CacheAdminToken)) cache?: CacheAdmin,
  ) {
    this.#socketPath = controlSocketPath(daemon.dataDir);
    this.#holds = new Holds(jobs, daemon.log);
    const operations = controlOperations(jobs, plugins, daemon, this.#holds, cache);
    const routes = (router: ConnectRouter) => router.service(ControlService, operations);
    this.#server = createServer(
      connectNodeAdapter({ routes, interceptors: [translatingErrors(toConnectError)], readMaxBytes }),
    );
  }

  /** Errors: the socket's path is taken by something that is not a dead daemon's socket. */
  async open(): Promise<void> {
    this.#bound = await bindSocket(this.#server, this.#socketPath, { mode: 0o600 });
  }

  /** Stops accepting, lets calls in progress end for two seconds, then cuts what is left. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#bound?.release();
    this.#holds.release();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await within("calls in progress", drainMs, closed).catch(() => this.#server.closeAllConnections());
    await closed;
  }
}
