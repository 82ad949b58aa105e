import { inject } from "../../core/kernel/scope.ts";
import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { apiErrorOf } from "../../core/support/errors.ts";
import { type ContainerEngine, ContainerEngineToken, type ImageLookup, ImageLookupToken } from "./backend.ts";
import { ListFilters, listFilters } from "./list-filters.ts";
import type { Container } from "./model/container.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import { listShape } from "./shapes/list.ts";
import { sizesOf } from "./shapes/sizes.ts";

/** `GET /containers/json`. */
export class List {
  readonly #containers: Containers;
  readonly #engine: ContainerEngine;
  readonly #images: ImageLookup;

  constructor(
    @inject(ContainersToken) containers: Containers,
    @inject(ContainerEngineToken) engine: ContainerEngine,
    @inject(ImageLookupToken) images: ImageLookup,
  ) {
    this.#containers = containers;
    this.#engine = engine;
    this.#images = images;
  }

  async list({ query }: ApiRequest): Promise<Reply> {
    const filters = new ListFilters(query.filters(listFilters), this.#containers, this.#images);
    const limit = query.integer("limit") ?? 0;
    const all = query.flag("all") || limit > 0 || filters.impliesAll;
    const matching = this.#containers.list().filter((container) =>
      (all || container.state.status === "running") && filters.match(container)
    );
    const shown = limit > 0 ? matching.slice(0, limit) : matching;
    const names = new ImageNames(this.#images);
    const shapes = shown.map((container) => listShape(container, names.of(container)));
    if (query.flag("size")) await this.#addSizes(shapes, shown);
    return json(shapes);
  }

  async #addSizes(shapes: Record<string, unknown>[], containers: readonly Container[]): Promise<void> {
    const sizes = await Promise.all(containers.map((container) => sizesOf(container, this.#engine)));
    for (const [index, size] of sizes.entries()) {
      // Docker leaves a zero out here.
      const { SizeRw, SizeRootFs } = size;
      Object.assign(shapes[index]!, { ...(SizeRw && { SizeRw }), SizeRootFs });
    }
  }
}

/** Looks each name up once a list: a job with fifty containers has few images. */
class ImageNames {
  readonly #images: ImageLookup;
  readonly #ids = new Map<string, string | undefined>();

  constructor(images: ImageLookup) {
    this.#images = images;
  }

  /** The name the container was made with, unless that names another image now: then the image's ID. */
  of({ facts }: Container): string {
    const name = facts.config.Image;
    if (!this.#ids.has(name)) this.#ids.set(name, this.#idOf(name));
    return this.#ids.get(name) === facts.imageId ? name : facts.imageId;
  }

  #idOf(name: string): string | undefined {
    try {
      return this.#images.find(name).id;
    } catch (error) {
      if (apiErrorOf(error)) return undefined;
      throw error;
    }
  }
}
