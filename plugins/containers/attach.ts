import { inject } from "../../core/kernel/scope.ts";
import { type Connection, hijack, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { StdinPump } from "./attach/stdin-pump.ts";
import { followLog } from "./log/follow.ts";
import { readLog } from "./log/read.ts";
import { renderChunks, type View } from "./log/render.ts";
import type { Container } from "./model/container.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import { parseDetachKeys } from "./model/detach-keys.ts";
import { outputType, wantedStreams } from "./output.ts";

/** What one client attached to, from which moment on. */
interface Session {
  readonly container: Container;
  readonly view: View;
  /** The run it follows: the one that goes on, or the next. */
  readonly run: number;
  readonly position: number;
  readonly past: boolean;
  readonly live: boolean;
  readonly stdin: boolean;
  readonly detachKeys: readonly number[];
}

/** `POST /containers/{id}/attach`: the log followed from now on, and standard input. */
export class Attach {
  readonly #containers: Containers;

  constructor(@inject(ContainersToken) containers: Containers) {
    this.#containers = containers;
  }

  attach(request: ApiRequest): Reply {
    const { query } = request;
    const detachKeys = parseDetachKeys(query.text("detachKeys"));
    const container = this.#containers.find(request.params.id ?? "");
    const { log } = container;
    const session: Session = {
      container,
      view: { streams: wantedStreams(request), framed: !container.facts.config.Tty },
      run: log.running ? log.run : log.run + 1,
      position: log.end,
      past: query.flag("logs"),
      live: query.flag("stream"),
      stdin: query.flag("stdin"),
      detachKeys,
    };
    // Without an upgrade Docker names every stream raw.
    const type = request.headers.upgrade
      ? outputType(container, request)
      : "application/vnd.docker.raw-stream";
    return hijack(type, (connection) => serve(session, connection));
  }
}

/** Ends when the container ended and everything was sent, when the client detached, or when it is gone. */
async function serve(session: Session, connection: Connection): Promise<void> {
  const { container, view, position } = session;
  if (session.past) await send(readLog(container.log, 0, position), view, connection);
  if (!session.live) return;
  const detach = new AbortController();
  const signal = AbortSignal.any([connection.signal, detach.signal]);
  if (session.stdin) {
    const pump = new StdinPump(container, session.run, session.detachKeys, signal);
    void pump.run(connection.input).then((ends) => ends && detach.abort());
  }
  try {
    await send(followLog(container.log, position, session.run, signal), view, connection);
  } finally {
    detach.abort();
  }
}

async function send(
  segments: AsyncIterable<{ position: number; bytes: Buffer }>,
  view: View,
  connection: Connection,
): Promise<void> {
  for await (const segment of segments) {
    const bytes = renderChunks(segment, view);
    if (bytes.length === 0) continue;
    try {
      await connection.write(bytes);
    } catch {
      // The client is gone: nobody is left to be told.
      return;
    }
  }
}
