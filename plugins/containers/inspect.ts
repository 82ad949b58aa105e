import { inject } from "../../core/kernel/scope.ts";
import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { type ContainerEngine, ContainerEngineToken } from "./backend.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import { inspectShape } from "./shapes/inspect.ts";
import { sizesOf } from "./shapes/sizes.ts";

/** `GET /containers/{id}/json`. */
export class Inspect {
  readonly #containers: Containers;
  readonly #engine: ContainerEngine;

  constructor(
    @inject(ContainersToken) containers: Containers,
    @inject(ContainerEngineToken) engine: ContainerEngine,
  ) {
    this.#containers = containers;
    this.#engine = engine;
  }

  async inspect(request: ApiRequest): Promise<Reply> {
    const container = this.#containers.find(request.params.id ?? "");
    const sizes = request.query.flag("size") ? await sizesOf(container, this.#engine) : {};
    return json({ ...inspectShape(container), ...sizes });
  }
}
