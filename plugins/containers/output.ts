import type { ApiRequest } from "../../core/kernel/request.ts";
import { invalid } from "../../core/support/errors.ts";
import type { OutputStream } from "./backend.ts";
import type { Container } from "./model/container.ts";

const framedType = "application/vnd.docker.multiplexed-stream";
const rawType = "application/vnd.docker.raw-stream";

/** What a container's output is called: since API 1.42 a name tells framed output from a terminal's. */
export function outputType(container: Container, { version }: ApiRequest): string {
  return !container.facts.config.Tty && version.atLeast("1.42") ? framedType : rawType;
}

/** The streams a query asks for. */
export function wantedStreams({ query }: ApiRequest): Set<OutputStream> {
  const streams = new Set<OutputStream>();
  if (query.flag("stdout")) streams.add("stdout");
  if (query.flag("stderr")) streams.add("stderr");
  return streams;
}

/** Errors: 400 in Docker's words when no stream is wanted. */
export function requireStreams(request: ApiRequest): Set<OutputStream> {
  const streams = wantedStreams(request);
  if (streams.size === 0) throw invalid("Bad parameters: you must choose at least one stream");
  return streams;
}
