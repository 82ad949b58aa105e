import { inject } from "../../core/kernel/scope.ts";
import { empty, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { ApiError, notFound } from "../../core/support/errors.ts";
import type { Container } from "./model/container.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import { parseDetachKeys } from "./model/detach-keys.ts";
import { type Lifecycle, LifecycleToken } from "./model/lifecycle.ts";

/** `POST /containers/{id}/start`, `stop`, `restart` and `kill`. */
export class LifecycleRequests {
  readonly #containers: Containers;
  readonly #lifecycle: Lifecycle;

  constructor(
    @inject(ContainersToken) containers: Containers,
    @inject(LifecycleToken) lifecycle: Lifecycle,
  ) {
    this.#containers = containers;
    this.#lifecycle = lifecycle;
  }

  async start(request: ApiRequest): Promise<Reply> {
    parseDetachKeys(request.query.text("detachKeys"));
    await this.#lifecycle.start(this.#find(request));
    return empty();
  }

  async stop(request: ApiRequest): Promise<Reply> {
    await this.#stop(this.#find(request), request);
    return empty();
  }

  async restart(request: ApiRequest): Promise<Reply> {
    const container = this.#find(request);
    await this.#stop(container, request).catch(ignoreNotModified);
    await this.#lifecycle.start(container).catch(ignoreNotModified);
    return empty();
  }

  async kill(request: ApiRequest): Promise<Reply> {
    const signal = request.query.text("signal") || "KILL";
    await this.#lifecycle.kill(this.#findToKill(request), request.params.id ?? "", signal);
    return empty();
  }

  /** Here Docker says what it was about when there is no such container. */
  #findToKill(request: ApiRequest): Container {
    try {
      return this.#find(request);
    } catch (error) {
      if (!(error instanceof ApiError && error.kind === "not-found")) throw error;
      throw notFound(`cannot kill container: ${request.params.id}: ${error.message}`, error);
    }
  }

  #stop(container: Container, { params, query }: ApiRequest): Promise<void> {
    const signal = query.text("signal") || undefined;
    return this.#lifecycle.stop(container, params.id ?? "", signal, query.integer("t"));
  }

  #find(request: ApiRequest): Container {
    return this.#containers.find(request.params.id ?? "");
  }
}

function ignoreNotModified(error: unknown): void {
  if (!(error instanceof ApiError && error.kind === "not-modified")) throw error;
}
