import { inject } from "../../core/kernel/scope.ts";
import { empty, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { invalid } from "../../core/support/errors.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import { type Lifecycle, LifecycleToken } from "./model/lifecycle.ts";

/** `DELETE /containers/{id}`. Anonymous volumes (`v`) go with the container in any case: there are none to keep. */
export class Remove {
  readonly #containers: Containers;
  readonly #lifecycle: Lifecycle;

  constructor(
    @inject(ContainersToken) containers: Containers,
    @inject(LifecycleToken) lifecycle: Lifecycle,
  ) {
    this.#containers = containers;
    this.#lifecycle = lifecycle;
  }

  async remove({ params, query }: ApiRequest): Promise<Reply> {
    const given = params.id ?? "";
    const container = this.#containers.find(given);
    if (query.flag("link")) throw invalid("Conflict, cannot remove the default link name of the container");
    await this.#lifecycle.remove(container, given, query.flag("force"));
    return empty();
  }
}
