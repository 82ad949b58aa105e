import { inject, type Token, token } from "../../../core/kernel/scope.ts";
import { within } from "../../../core/support/deadline.ts";
import { ApiError, conflict, invalid, messageOf, notFound } from "../../../core/support/errors.ts";
import { type ContainerEngine, ContainerEngineToken, type Exit } from "../backend.ts";
import type { Container } from "./container.ts";
import { type Containers, ContainersToken } from "./containers.ts";
import { lastSignal, parseSignal, signalKill, signalTerm } from "./signals.ts";

/** Job-scoped; the handlers of this area take it. */
export const LifecycleToken: Token<Lifecycle> = token("containers.lifecycle");

/** How long a killed process may take to be gone, in milliseconds. */
const killDeadlineMs = 30_000;
const defaultStopSeconds = 10;
/** Timers of either runtime go no further; 24 days. */
const maxTimerMs = 2 ** 31 - 1;

/** Starts, stops and removes containers. */
export class Lifecycle {
  readonly #containers: Containers;
  readonly #engine: ContainerEngine;

  constructor(
    @inject(ContainersToken) containers: Containers,
    @inject(ContainerEngineToken) engine: ContainerEngine,
  ) {
    this.#containers = containers;
    this.#engine = engine;
  }

  /** Errors: 304 when it runs; 400 for a command that cannot be run, in runc's words; 404 when it was removed. */
  start(container: Container): Promise<void> {
    return container.turn.run(async () => {
      this.#refuseRemoved(container);
      if (container.running) {
        throw new ApiError("not-modified", `container ${container.id} is running already`);
      }
      container.log.begin();
      try {
        const running = await this.#engine.start(
          container.id,
          (stream, chunk) => container.log.append(stream, chunk),
        );
        container.started(running);
        void running.exited.then((exit) => this.#exited(container, exit));
      } catch (error) {
        await this.#startFailed(container, error);
        throw error;
      }
      if (!container.removing) await container.save();
    });
  }

  /**
   * Asks the process to end, and ends it when it does not in time.
   *
   * @param given how the client called it, for the error
   * @param signal default: the container's own, SIGTERM
   * @param seconds how long to wait before SIGKILL; negative: forever; default: the container's own, 10
   */
  async stop(container: Container, given: string, signal?: string, seconds?: number): Promise<void> {
    const text = signal ?? container.facts.config.StopSignal;
    const number = text ? parseSignal(text) : signalTerm;
    if (!number) throw invalid(`cannot stop container: ${given}: invalid signal: ${text}`);
    const running = await container.turn.run(() => container.running);
    if (!running) throw new ApiError("not-modified", `container ${container.id} does not run`);
    const patience = seconds ?? container.facts.config.StopTimeout ?? defaultStopSeconds;
    await running.kill(number);
    if (await endsWithin(running.exited, patience)) return;
    await running.kill(signalKill);
    await within(`container ${container.id}`, killDeadlineMs, running.exited);
  }

  /** Errors: 400 for a signal that is none, 409 when the container does not run. */
  async kill(container: Container, given: string, text: string): Promise<void> {
    const number = parseSignal(text);
    const sentence = `cannot kill container: ${given}`;
    if (!number) throw invalid(`${sentence}: invalid signal: ${text}`);
    if (number > lastSignal) throw invalid(`${sentence}: the linux daemon does not support signal ${number}`);
    const running = await container.turn.run(() => container.running);
    if (!running) throw conflict(`${sentence}: container ${container.id} is not running`);
    await running.kill(number);
    if (number === signalKill) await within(`container ${container.id}`, killDeadlineMs, running.exited);
  }

  /**
   * Removes a container; resolves as soon as it is recorded and unreachable.
   *
   * @param given how the client called it, for the error
   * @param force kill it when it runs
   */
  async remove(container: Container, given: string, force: boolean): Promise<void> {
    this.#claimRemoval(container);
    try {
      await container.turn.run(async () => {
        if (container.running) {
          if (!force) {
            // Cleared before anybody else runs: an exit from here on must find nobody removing.
            container.removing = false;
            throw stillRuns(given);
          }
          await container.running.kill(signalKill);
          await within(`container ${container.id}`, killDeadlineMs, container.running?.exited);
        }
        await this.#drop(container);
      });
    } catch (error) {
      container.removing = false;
      if (container.running) this.#saveLater(container);
      throw error;
    }
  }

  #claimRemoval(container: Container): void {
    if (container.removing) throw conflict(`removal of container ${container.id} is already in progress`);
    container.removing = true;
  }

  #drop(container: Container): Promise<void> {
    return this.#containers.drop(container, () => this.#engine.remove(container.id));
  }

  #exited(container: Container, exit: Exit): void {
    if (this.#containers.closed) return;
    container.exited(exit);
    if (container.removing) return;
    if (container.facts.host.autoRemove) this.#removeUnasked(container);
    else this.#containers.background.add(`exit of container ${container.id}`, this.#recordExit(container));
  }

  #saveLater(container: Container): void {
    this.#containers.background.add(`record of container ${container.id}`, container.save());
  }

  async #recordExit(container: Container): Promise<void> {
    await container.save();
    await container.log.settle();
  }

  #removeUnasked(container: Container): void {
    this.#claimRemoval(container);
    const removal = container.turn.run(() => this.#drop(container));
    this.#containers.background.add(`removal of container ${container.id}`, removal);
  }

  async #startFailed(container: Container, error: unknown): Promise<void> {
    container.notStarted(exitCodeOf(error), messageOf(error));
    if (container.removing) return;
    if (!container.facts.host.autoRemove) return await container.save();
    this.#claimRemoval(container);
    await this.#drop(container);
  }

  #refuseRemoved(container: Container): void {
    if (this.#containers.list().includes(container)) return;
    throw notFound(`No such container: ${container.id}`);
  }
}

/** The exit code Docker records for a start that failed. Source: moby, `translateContainerdStartErr`. */
function exitCodeOf(error: unknown): number {
  const text = messageOf(error);
  const missing = ["executable file not found", "no such file or directory", "system cannot find the file"];
  if (missing.some((words) => text.includes(words))) return 127;
  return ["permission denied", "not a directory"].some((words) => text.includes(words)) ? 126 : 128;
}

const stillRuns = (given: string) =>
  conflict(
    `cannot remove container "${given}": container is running: stop the container before removing or force remove`,
  );

/** True when the process ended in time; a negative time has no end. */
async function endsWithin(exited: Promise<Exit>, seconds: number): Promise<boolean> {
  if (seconds < 0) return await exited.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) =>
    timer = setTimeout(() => resolve(false), Math.min(seconds * 1000, maxTimerMs))
  );
  try {
    return await Promise.race([exited.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
