import { inject } from "../../core/kernel/scope.ts";
import { empty, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { conflict, invalid } from "../../core/support/errors.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";

const largest = 65535;

/** `POST /containers/{id}/resize`. */
export class Resize {
  readonly #containers: Containers;

  constructor(@inject(ContainersToken) containers: Containers) {
    this.#containers = containers;
  }

  async resize({ params, query }: ApiRequest): Promise<Reply> {
    const rows = lengthOf("height", query.text("h"));
    const columns = lengthOf("width", query.text("w"));
    const container = this.#containers.find(params.id ?? "");
    if (!container.running) throw conflict(`container ${container.id} is not running`);
    await container.running.resize({ columns, rows });
    return empty(200);
  }
}

function lengthOf(what: string, text = ""): number {
  const length = /^\d+$/.test(text) ? Number(text) : NaN;
  if (length <= largest) return length;
  throw invalid(`invalid resize ${what} ${JSON.stringify(text)}: invalid syntax`);
}
