/** What the parts of this plugin take from each other. Other plugins use the tokens of the areas' `backend.ts`. */
import { type Token, token } from "../../core/kernel/scope.ts";
import type { ContainerdConnection, Endpoint } from "./connection.ts";
import type { SharedImages } from "./images/shared-images.ts";
import type { JobLease } from "./lease.ts";
import type { Settings } from "./settings.ts";
import type { Supervisor, SupervisorOptions } from "./supervisor.ts";

/** Daemon-scoped: the plugin's settings. */
export const SettingsToken: Token<Settings> = token("containerd.settings");

/** Daemon-scoped: which containerd, and which of its namespaces. */
export const EndpointToken: Token<Endpoint> = token("containerd.endpoint");

/** Daemon-scoped: the clients. Bound first, so that it is closed after everything that calls containerd. */
export const ConnectionToken: Token<ContainerdConnection> = token("containerd.connection");

/** Daemon-scoped: where the private containerd lies and how it is started. */
export const SupervisorOptionsToken: Token<SupervisorOptions> = token("containerd.supervisor-options");

/** Daemon-scoped: keeps the private containerd running. Not bound when an external one is used. */
export const SupervisorToken: Token<Supervisor> = token("containerd.supervisor");

/** Daemon-scoped: what all jobs' image stores share. */
export const SharedImagesToken: Token<SharedImages> = token("containerd.shared-images");

/** Job-scoped: keeps what the job has in containerd, and lets go of it last. */
export const JobLeaseToken: Token<JobLease> = token("containerd.job-lease");
