import { abortable } from "../../../core/support/deadline.ts";

/** What a wait is for. `next-exit` counts exits after the request; `removed` includes them. */
export type WaitCondition = "not-running" | "next-exit" | "removed";

type Settle = { resolve: (exitCode: number) => void; reject: (reason: Error) => void };

/** Those who wait for a container to end or to be gone. */
export class Waiters {
  readonly #exit = new Set<Settle>();
  readonly #removed = new Set<Settle>();

  /** The exit code of the next exit, or the last one when the container is removed without another. */
  exit(signal?: AbortSignal): Promise<number> {
    return wait(this.#exit, signal);
  }

  removed(signal?: AbortSignal): Promise<number> {
    return wait(this.#removed, signal);
  }

  exited(exitCode: number): void {
    settle(this.#exit, (each) => each.resolve(exitCode));
  }

  gone(exitCode: number): void {
    this.exited(exitCode);
    settle(this.#removed, (each) => each.resolve(exitCode));
  }

  giveUp(reason: Error): void {
    settle(this.#exit, (each) => each.reject(reason));
    settle(this.#removed, (each) => each.reject(reason));
  }
}

async function wait(waiters: Set<Settle>, signal: AbortSignal | undefined): Promise<number> {
  let mine: Settle | undefined;
  const settled = new Promise<number>((resolve, reject) => waiters.add(mine = { resolve, reject }));
  try {
    return await abortable(settled, signal);
  } finally {
    waiters.delete(mine!);
  }
}

function settle(waiters: Set<Settle>, call: (waiter: Settle) => void): void {
  const all = [...waiters];
  waiters.clear();
  all.forEach(call);
}
