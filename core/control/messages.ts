import type { MessageInitShape } from "@bufbuild/protobuf";
import type { JobInfo, JobRequest } from "../jobs/jobs.ts";
import type { JobSchema, OpenJobRequest, OpenJobRequestSchema } from "./gen/berth/control/v1/control_pb.ts";

/** A job as the control API sends it. */
export function jobMessage(job: JobInfo): MessageInitShape<typeof JobSchema> {
  return { ...job, labels: { ...job.labels }, openedAt: job.openedAt.toISOString() };
}

/** What the control API got, as the kernel wants it. */
export function jobRequestOf(message: OpenJobRequest): JobRequest {
  const { id, labels, callerNetns, socket } = message;
  return {
    id,
    labels,
    ...(callerNetns && { callerNetns }),
    ...(socket && { socket: { uid: socket.uid, gid: socket.gid, mode: socket.mode } }),
  };
}

/** A request for a job as the control API sends it. */
export function openJobMessage(request: JobRequest): MessageInitShape<typeof OpenJobRequestSchema> {
  return { ...request, labels: { ...request.labels } };
}
