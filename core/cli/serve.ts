import { controlSocketPath } from "../control/socket-path.ts";
import { loadConfig } from "../daemon/config.ts";
import { createDaemon, type Daemon } from "../daemon/daemon.ts";
import type { BuiltInTable } from "../kernel/loader.ts";
import { openLog } from "../support/logger.ts";
import { watchFaults } from "./faults.ts";
import type { CommonOptions } from "./options.ts";
import { removeUnmounted } from "./run/remove-unmounted.ts";
import { printLine } from "./output.ts";
import { exitCodeOfSignal } from "./signals.ts";

/** Options of `berth serve`. */
export interface ServeOptions extends CommonOptions {
  readonly config?: string;
  readonly untilStdinEnds?: boolean;
  readonly temporary?: boolean;
}

/**
 * `berth serve`: runs the daemon until it is told to stop, then closes all jobs and everything else. Prints one line
 * when jobs can be opened. A fault that nobody caught is logged: see {@link watchFaults}. A second SIGTERM or SIGINT ends the process at once; the next start cleans up after it.
 */
export async function serve(options: ServeOptions, builtIns: BuiltInTable): Promise<void> {
  const config = await loadConfig(options.config, builtIns, { dataDir: options.dataDir });
  const log = openLog(config.logLevel);
  const stop = new StopRequest(options);
  const ignoreFaults = watchFaults(log, () => stop.ask("a fault"));
  try {
    const daemon = createDaemon({ config, builtIns, log });
    await daemon.start();
    announce(daemon, options);
    log.info({ reason: await stop.asked }, "stopping");
    await daemon.stop();
    log.info({}, "stopped");
    if (options.temporary) await removeUnmounted(config.dataDir);
  } finally {
    stop.forget();
    ignoreFaults();
  }
}

function announce({ facts: { dataDir, version, runtime, log } }: Daemon, { json }: ServeOptions): void {
  const controlSocket = controlSocketPath(dataDir);
  const facts = { dataDir, controlSocket, version, runtime, processId: process.pid };
  log.info(facts, "ready");
  printLine(json ? JSON.stringify({ ready: true, ...facts }) : `ready: ${controlSocket}`);
}

/** Listens for what tells the daemon to stop, from before it starts until it has stopped. */
class StopRequest {
  /** Settles with the reason. */
  readonly asked: Promise<string>;
  #resolve: (reason: string) => void = () => {};
  #signalled = false;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#signalled) process.exit(exitCodeOfSignal(signal));
    this.#signalled = true;
    this.#resolve(signal);
  };

  constructor({ untilStdinEnds }: ServeOptions) {
    this.asked = new Promise((resolve) => this.#resolve = resolve);
    process.on("SIGTERM", this.#onSignal);
    process.on("SIGINT", this.#onSignal);
    if (untilStdinEnds) process.stdin.once("end", () => this.#resolve("standard input ended")).resume();
  }

  /** The same as a signal, from within. */
  ask(reason: string): void {
    this.#resolve(reason);
  }

  /** Lets the process end. */
  forget(): void {
    process.off("SIGTERM", this.#onSignal);
    process.off("SIGINT", this.#onSignal);
    process.stdin.destroy();
  }
}
