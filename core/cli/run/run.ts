import { randomBytes } from "node:crypto";
import { NoDaemon } from "../../control/client.ts";
import { apiErrorOf, messageOf } from "../../support/errors.ts";
import { Undo } from "../../support/undo.ts";
import { jobRequestFrom } from "../job-request.ts";
import { dataDirOf, type JobOptions } from "../options.ts";
import { printNote } from "../output.ts";
import { exitCodeOfSignal } from "../signals.ts";
import { runChild } from "./child.ts";
import { HeldJob } from "./held-job.ts";
import { OwnDaemon, stopDeadlineMs } from "./own-daemon.ts";
import { Signals } from "./signals.ts";

/** Options of `berth run`. */
export interface RunOptions extends JobOptions {
  readonly id?: string;
  readonly config?: string;
}

/** Time that closing a job may take, in milliseconds: the daemon's own deadlines, and a little more. */
const closeDeadlineMs = 180_000;

/**
 * `berth run`: opens a job, runs a command in it and closes it, whatever happens to the command, to this process or
 * to both. With no daemon at the data directory it starts one of its own for so long. The exit code is the
 * command's; what could not be removed is told on standard error.
 */
export async function runCommand(command: readonly string[], options: RunOptions): Promise<void> {
  const undo = new Undo("berth run");
  const signals = new Signals();
  undo.add("signals", () => signals.release());
  try {
    const job = await openJob(options, undo, signals);
    process.exitCode = await runChild(command, environmentOf(job), signals);
  } catch (error) {
    if (!signals.first) throw error;
    process.exitCode = exitCodeOfSignal(signals.first);
  } finally {
    await undo.run().catch((error) => printNote(messageOf(error)));
  }
}

async function openJob(options: RunOptions, undo: Undo, signals: Signals): Promise<HeldJob> {
  const request = await jobRequestFrom(options.id ?? `run-${randomBytes(5).toString("hex")}`, options);
  const hold = async (dataDir: string) => {
    const job = new HeldJob(dataDir);
    undo.add(`job ${request.id}`, () => job.close(), closeDeadlineMs);
    await job.open(request, signals.aborted);
    return job;
  };
  try {
    return await hold(dataDirOf(options));
  } catch (error) {
    if (!(apiErrorOf(error) instanceof NoDaemon)) throw error;
  }
  const daemon = new OwnDaemon(options);
  undo.add("daemon", () => daemon.stop(), stopDeadlineMs);
  await daemon.start(signals.aborted);
  return await hold(daemon.dataDir);
}

/** The job's own engine in place of whatever the environment pointed at. */
function environmentOf(job: HeldJob): NodeJS.ProcessEnv {
  const { DOCKER_CONTEXT: _1, DOCKER_TLS: _2, DOCKER_TLS_VERIFY: _3, DOCKER_CERT_PATH: _4, ...others } =
    process.env;
  return { ...others, DOCKER_HOST: `unix://${job.socketPath}`, BERTH_JOB: job.id };
}
