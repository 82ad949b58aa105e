import { inject } from "../../core/kernel/scope.ts";
import type { ContainerCounts } from "../system/backend.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";

/** The numbers that `/info` shows. */
export class Counts implements ContainerCounts {
  readonly #containers: Containers;

  constructor(@inject(ContainersToken) containers: Containers) {
    this.#containers = containers;
  }

  counts(): { running: number; paused: number; stopped: number } {
    const all = this.#containers.list();
    const running = all.filter(({ state }) => state.status === "running").length;
    return { running, paused: 0, stopped: all.length - running };
  }
}
