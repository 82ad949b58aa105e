import type { Endpoint } from "../backend.ts";

/** A container's configuration as inspect shows it, in Docker's order. */
export interface ContainerConfig {
  readonly Hostname: string;
  readonly Domainname: string;
  readonly User: string;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[] | null;
  readonly Image: string;
  readonly Volumes: null;
  readonly WorkingDir: string;
  readonly Entrypoint: readonly string[] | null;
  readonly OnBuild: readonly string[] | null;
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  /** Seconds. */
  readonly StopTimeout?: number;
  readonly Shell?: readonly string[];
}

/** The parts of the host configuration that a client can choose. */
export interface HostChoices {
  readonly autoRemove: boolean;
  readonly network: "bridge" | "none";
  /** Rows and columns, in Docker's order. */
  readonly consoleSize: readonly [number, number];
  readonly logDriver: string;
  /** What the engine gives: see its `cgroupNamespace`. */
  readonly cgroupNamespace: "private" | "host";
  /** Lists and objects that the client sent empty: inspect shows them so, and null where nothing was sent. */
  readonly emptyAsSent: Readonly<Record<string, unknown>>;
}

/** What a container is: fixed when it is created. */
export interface ContainerFacts {
  /** 64 hex digits. */
  readonly id: string;
  /** Without a slash. */
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly createdAt: string;
  readonly imageId: string;
  readonly imageSizeBytes: number;
  readonly config: ContainerConfig;
  readonly host: HostChoices;
}

/** How a container is doing. Times are RFC 3339. */
export interface ContainerState {
  readonly status: "created" | "running" | "exited";
  readonly exitCode: number;
  /** Why the last start failed; empty when it did not. */
  readonly error: string;
  readonly oomKilled: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** 0 when it does not run, or the engine has no such number. */
  readonly processId: number;
  readonly endpoint?: Endpoint;
}

/** What `container.json` holds: enough to show and to start the container after a restart of the daemon. */
export interface ContainerRecord {
  readonly format: 1;
  readonly facts: ContainerFacts;
  readonly state: ContainerState;
}
