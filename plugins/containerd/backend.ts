/**
 * What the containerd engine needs from others: networks to put its containers in. This one interface does speak of
 * namespaces, because it connects two engines of the same host; an engine that brings its own network needs none.
 */
import { type Token, token } from "../../core/kernel/scope.ts";

/** A network namespace with an interface in the job's network, lent to one container. */
export interface NetworkAttachment {
  /** Where the namespace is bound; stays until the attachment is given back. */
  readonly namespacePath: string;
  readonly ipAddress: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly macAddress: string;
}

/** One job's network. */
export interface JobNetwork {
  /**
   * Lends an attached namespace for a container's run. Quick when one is ready: spawns nothing then.
   * Errors: `unavailable` when no namespace or address can be had, saying which pool is exhausted.
   */
  lend(containerId: string): Promise<NetworkAttachment>;
  /** Takes one back after the container's last process ended. It may be lent again, to this job only. */
  giveBack(attachment: NetworkAttachment): Promise<void>;
  /** Gets one ready ahead of need, in the background. Called when a container is created. */
  prepare(): void;
  /** DNS servers to write into containers' resolv.conf, when the network has its own; else the host's are used. */
  readonly nameservers: readonly string[];
}

/** Job-scoped; the cni plugin provides it. */
export const JobNetworkToken: Token<JobNetwork> = token("containerd.network");
