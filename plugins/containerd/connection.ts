import { connect as connectSocket } from "node:net";
import {
  type CallOptions,
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
} from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Containers } from "./gen/containers_pb.ts";
import { Content } from "./gen/content_pb.ts";
import { Diff } from "./gen/diff_pb.ts";
import { Events } from "./gen/events_pb.ts";
import { Introspection } from "./gen/introspection_pb.ts";
import { Leases } from "./gen/leases_pb.ts";
import { Namespaces } from "./gen/namespaces_pb.ts";
import { Snapshots } from "./gen/snapshots_pb.ts";
import { Tasks } from "./gen/tasks_pb.ts";
import { Version } from "./gen/version_pb.ts";

/** HTTP/2 wants an authority; over a Unix socket it names nobody. */
const authority = "http://localhost";

/** Which containerd, and which of its namespaces. */
export interface Endpoint {
  /** Path of containerd's socket. */
  readonly address: string;
  /** Everything of one daemon lives in one containerd namespace. */
  readonly namespace: string;
  /** Where containerd keeps unfinished blobs, when it is a private one: large blobs are written there directly. */
  readonly ingestDir?: string;
}

/**
 * The gRPC clients of one containerd, over its Unix socket, all in one containerd namespace. Connects with the
 * first call, and again by itself with the first call after containerd came back; calls made while it is away fail
 * with Code.Unavailable (see errors.ts).
 */
export class ContainerdConnection {
  readonly address: string;
  readonly namespace: string;
  readonly ingestDir: string | undefined;
  readonly containers: Client<typeof Containers>;
  readonly content: Client<typeof Content>;
  readonly diffs: Client<typeof Diff>;
  readonly events: Client<typeof Events>;
  readonly introspection: Client<typeof Introspection>;
  readonly leases: Client<typeof Leases>;
  readonly namespaces: Client<typeof Namespaces>;
  readonly snapshots: Client<typeof Snapshots>;
  readonly tasks: Client<typeof Tasks>;
  readonly version: Client<typeof Version>;
  readonly #sessions: Http2SessionManager;
  readonly #restartListeners = new Set<() => void>();

  constructor({ address, namespace, ingestDir }: Endpoint) {
    this.address = address;
    this.namespace = namespace;
    this.ingestDir = ingestDir;
    this.#sessions = new Http2SessionManager(authority, {}, {
      createConnection: () => connectSocket(address),
    });
    const transport = createGrpcTransport({
      baseUrl: authority,
      sessionManager: this.#sessions,
      interceptors: [inNamespace(namespace)],
      acceptCompression: [],
    });
    this.containers = createClient(Containers, transport);
    this.content = createClient(Content, transport);
    this.diffs = createClient(Diff, transport);
    this.events = createClient(Events, transport);
    this.introspection = createClient(Introspection, transport);
    this.leases = createClient(Leases, transport);
    this.namespaces = createClient(Namespaces, transport);
    this.snapshots = createClient(Snapshots, transport);
    this.tasks = createClient(Tasks, transport);
    this.version = createClient(Version, transport);
  }

  /**
   * Calls the listener each time containerd answers again after it went away: whatever state was kept of it
   * must be compared with what it says now. Returns the undo.
   */
  onRestart(listener: () => void): () => void {
    this.#restartListeners.add(listener);
    return () => this.#restartListeners.delete(listener);
  }

  /** For whoever watches containerd: tells everybody that it is back. */
  announceRestart(): void {
    for (const listener of this.#restartListeners) listener();
  }

  /** Drops the connection and every call on it. A later call would connect again. */
  close(): void {
    this.#sessions.abort();
  }
}

function inNamespace(namespace: string): Interceptor {
  return (next) => async (request) => {
    request.header.set("containerd-namespace", namespace);
    try {
      return await next(request);
    } catch (error) {
      throw asUnavailable(error);
    }
  };
}

/** Connect calls a socket that is not there an internal error, as it does not know it from other file errors. */
function asUnavailable(error: unknown): unknown {
  if (!(error instanceof ConnectError) || error.code === Code.Unavailable) return error;
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  const away = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(cause?.code ?? "");
  return away ? new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, cause) : error;
}

/**
 * Call options that put whatever the call creates under a lease. Without one, garbage collection may take a blob or
 * snapshot between its creation and the next call.
 */
export function underLease(leaseId: string, options: CallOptions = {}): CallOptions {
  return { ...options, headers: { "containerd-lease": leaseId } };
}
