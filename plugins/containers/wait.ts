import { inject } from "../../core/kernel/scope.ts";
import { later, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { invalid } from "../../core/support/errors.ts";
import type { Container } from "./model/container.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import type { WaitCondition } from "./model/waiters.ts";

const conditions: readonly string[] = ["not-running", "next-exit", "removed"] satisfies WaitCondition[];

/** `POST /containers/{id}/wait`. The headers go at once: `docker run` starts the container when it has them. */
export class Wait {
  readonly #containers: Containers;

  constructor(@inject(ContainersToken) containers: Containers) {
    this.#containers = containers;
  }

  wait(request: ApiRequest): Reply {
    const condition = request.query.text("condition") || "not-running";
    if (!conditions.includes(condition)) throw invalid(`invalid condition: ${JSON.stringify(condition)}`);
    const container = this.#containers.find(request.params.id ?? "");
    // Registered before the headers go: a start that follows them cannot be missed.
    const exitCode = exitCodeOf(container, condition as WaitCondition, request.signal);
    return later(exitCode.then((StatusCode) => ({ StatusCode })));
  }
}

function exitCodeOf(
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<number> {
  if (condition === "removed") return container.waiters.removed(signal);
  if (condition === "not-running" && !container.running) return Promise.resolve(container.state.exitCode);
  return container.waiters.exit(signal);
}
