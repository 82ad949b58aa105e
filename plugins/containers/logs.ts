import { inject } from "../../core/kernel/scope.ts";
import { type Reply, stream } from "../../core/kernel/reply.ts";
import type { ApiRequest, Query } from "../../core/kernel/request.ts";
import { invalid } from "../../core/support/errors.ts";
import { followLog } from "./log/follow.ts";
import { readLog, type Segment } from "./log/read.ts";
import { type LineView, renderLines } from "./log/render.ts";
import { cutsAt, findTail } from "./log/tail.ts";
import type { Container } from "./model/container.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import type { Instant } from "./model/instant.ts";
import { outputType, requireStreams } from "./output.ts";

/** Timers of either runtime go no further; 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/** `GET /containers/{id}/logs`. */
export class Logs {
  readonly #containers: Containers;

  constructor(@inject(ContainersToken) containers: Containers) {
    this.#containers = containers;
  }

  logs(request: ApiRequest): Reply {
    const container = this.#containers.find(request.params.id ?? "");
    const view = viewOf(request, container);
    const follow = request.query.flag("follow");
    const body = logLines(container, view, tailOf(request.query), follow, request.signal);
    return stream(outputType(container, request), body, { flush: follow });
  }
}

/** What a container printed, and with `follow` what it prints until it ends, is removed, or the client is gone. */
export async function* logLines(
  container: Container,
  view: LineView,
  tail: number | undefined,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { log } = container;
  const { end, run } = log;
  const cuts = tail === undefined ? cutsAt(0) : await findTail(log, end, tail, view.streams);
  const from = Math.min(cuts.stdout.position, cuts.stderr.position);
  const ended = yield* render(readLog(log, from, end), { ...view, cuts });
  // A container that does not run is not waited for, as with Docker.
  if (follow && !ended) yield* render(followUntil(container, end, run, view.until, signal), view);
}

/** Returns true when the time that was asked for is over. */
async function* render(
  segments: AsyncIterable<Segment>,
  view: LineView,
): AsyncGenerator<Uint8Array, boolean> {
  for await (const segment of segments) {
    const { bytes, ended } = renderLines(segment, view);
    if (bytes.length > 0) yield bytes;
    if (ended) return true;
  }
  return false;
}

/** Following with `until` ends when that time comes, output or not. */
async function* followUntil(
  { log }: Container,
  from: number,
  run: number,
  until: Instant | undefined,
  signal: AbortSignal,
): AsyncGenerator<Segment> {
  if (!until) return yield* followLog(log, from, run, signal);
  const over = new AbortController();
  const leftMs = until.seconds * 1000 + until.nanoseconds / 1e6 - Date.now();
  const timer = setTimeout(() => over.abort(), Math.max(0, Math.min(leftMs, longestTimerMs)));
  try {
    yield* followLog(log, from, run, AbortSignal.any([signal, over.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function viewOf(request: ApiRequest, container: Container): LineView {
  const { query } = request;
  return {
    streams: requireStreams(request),
    framed: !container.facts.config.Tty,
    timestamps: query.flag("timestamps"),
    details: query.flag("details"),
    since: timeOf("since", query),
    until: timeOf("until", query),
  };
}

/** Lines from the end; undefined for all of them. Whatever is not a number means all, as with Docker. */
function tailOf(query: Query): number | undefined {
  const text = query.text("tail") ?? "";
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** `seconds` or `seconds.nanoseconds` since 1970; the fraction is nanoseconds when nine digits long. 0 is no limit. */
function timeOf(name: string, query: Query): Instant | undefined {
  const text = query.text(name);
  if (!text || text === "0") return undefined;
  const [, seconds, fraction = ""] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (!seconds) throw invalid(`invalid value for ${name}: ${JSON.stringify(text)} is not a time in seconds`);
  return { seconds: Number(seconds), nanoseconds: Number(fraction.slice(0, 9).padEnd(9, "0")) };
}
