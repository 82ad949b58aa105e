import type { Difference } from "./compare.ts";

/** A difference from Docker Engine that is meant, and why. */
export interface Accepted {
  /** Which steps. */
  readonly step: RegExp;
  /** Which places in the answer. */
  readonly path: RegExp;
  readonly why: string;
  /** Whether it may be absent, depending on what is installed. */
  readonly dependsOnHost?: boolean;
}

const inspected = /^(inspect|list|image inspect) /;

/** All differences that are meant. One that no longer occurs fails the test, so that the list stays true. */
export const accepted: readonly Accepted[] = [
  {
    step: /inspect/,
    path: /^body\.(GraphDriver\.|Driver$)/,
    why:
      "layers are containerd's overlayfs snapshots, and their paths on the host are not the job's business",
  },
  {
    step: /^inspect /,
    path: /^body\.(HostnamePath|HostsPath|LogPath|ResolvConfPath)$/,
    why: "paths on the host are not the job's business",
  },
  {
    step: inspected,
    path: /NetworkSettings\.(.*\.)?(Bridge|NetworkID|EndpointID|SandboxID|SandboxKey)$/,
    why: "the networks area, which gives networks and endpoints their IDs, is not there yet",
  },
  {
    step: /^create malformed$/,
    path: /^body\.message$/,
    why: "the JSON parser says in its own words where it stopped",
  },
  {
    step: /^attach unknown$/,
    path: /^(contentType|body)/,
    why: "every error is a JSON object with a message, also where Docker took the connection over first",
  },
  {
    step: /^logs bad since$/,
    path: /^(status|body\.message)$/,
    why: "a value that is no time is the client's fault: 400, and the words name it",
  },
  {
    step: /^(image list until bad|prune (bad until|two untils))$/,
    path: /^status$/,
    why: "a value that is no time, or one time too many, is the client's fault: 400",
  },
  {
    step: /^references given$/,
    path: /^body\.$/,
    why: "a tag without a name is refused, not quietly given to nobody",
  },
  {
    step: /^pull (moved tag|all tags)$/,
    path: /^body\.layers\.0\./,
    why: "whether a layer may be reused is known only when its turn comes: it is announced before",
  },
  {
    step: /^(start|inspect) (missing|directory)$/,
    path: /^body\.(message|State\.Error)$/,
    why: "runc 1.1 and runc 1.3 say it in different words; what clients match on is in both",
    dependsOnHost: true,
  },
];

/** Whether somebody accounted for a difference. */
export function isAccepted({ step, path }: Difference): Accepted | undefined {
  return accepted.find((each) => each.step.test(step) && each.path.test(path));
}
