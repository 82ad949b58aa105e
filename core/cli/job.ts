import { type ControlClient, controlClient } from "../control/client.ts";
import type { Job } from "../control/gen/berth/control/v1/control_pb.ts";
import { openJobMessage } from "../control/messages.ts";
import { jobRequestFrom } from "./job-request.ts";
import { type CommonOptions, dataDirOf, type JobOptions } from "./options.ts";
import { printable, printJson, printLine, printNote, printTable } from "./output.ts";

/** `berth job open`: prints the socket's path alone, for `DOCKER_HOST=unix://$(berth job open …)`. */
export async function openJob(id: string, options: JobOptions): Promise<void> {
  const request = await jobRequestFrom(id, options);
  const { job } = await clientOf(options).openJob(openJobMessage(request));
  if (options.json) printJson(jobJson(job!));
  else printLine(job!.socketPath);
}

/** `berth job close`: exit code 1 when something could not be removed, each named on standard error. */
export async function closeJob(id: string, options: CommonOptions): Promise<void> {
  const { failures } = await clientOf(options).closeJob({ id });
  if (options.json) printJson({ id, failures });
  for (const failure of failures) printNote(`job ${id} is closed, but left behind: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

/** `berth job ls`. */
export async function listJobs(options: CommonOptions): Promise<void> {
  const { jobs } = await clientOf(options).listJobs({});
  if (options.json) return printJson(jobs.map(jobJson));
  printTable(
    ["ID", "STATE", "OPENED", "LABELS", "SOCKET"],
    jobs.map((job) => [job.id, job.state, job.openedAt, labelsText(job), job.socketPath]),
  );
}

/** `berth job show`. */
export async function showJob(id: string, options: CommonOptions): Promise<void> {
  const { job } = await clientOf(options).showJob({ id });
  if (options.json) return printJson(jobJson(job!));
  const { state, openedAt, socketPath, dir, callerNetns } = job!;
  const lines = { id, state, opened: openedAt, socket: socketPath, directory: dir, netns: callerNetns };
  for (const [key, value] of Object.entries(lines)) if (value) printLine(`${`${key}:`.padEnd(11)}${value}`);
  if (Object.keys(job!.labels).length > 0) printLine(`labels:    ${labelsText(job!)}`);
}

const clientOf = (options: CommonOptions): ControlClient => controlClient(dataDirOf(options));

function jobJson({ id, state, socketPath, dir, labels, openedAt, callerNetns }: Job) {
  return { id, state, socketPath, dir, labels, openedAt, callerNetns };
}

function labelsText({ labels }: Job): string {
  return printable(Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(","));
}
