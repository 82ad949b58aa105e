/**
 * What the containers area needs from others: an engine that runs containers, and the job's images. Nothing here
 * names a pipe, a snapshot or a namespace path: a pod on a cluster could implement it.
 */
import { type Token, token } from "../../core/kernel/scope.ts";
import type { OutputStream } from "../../core/support/stdcopy.ts";
import type { ImageConfig, StoredImage } from "../images/backend.ts";

export type { ImageConfig, OutputStream, StoredImage };

/** Everything an engine needs to run a container: image defaults and request already merged, nothing left to guess. */
export interface ContainerSpec {
  /** 64 hex digits. */
  readonly id: string;
  readonly image: StoredImage;
  /** Entrypoint and command; never empty. */
  readonly args: readonly string[];
  /** `NAME=value`, PATH included. */
  readonly env: readonly string[];
  /** Absolute; made when it does not exist. */
  readonly workingDir: string;
  /** As in `docker run --user`: names or numbers, `user[:group]`; empty is root. The engine reads the image's passwd. */
  readonly user: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly tty: boolean;
  /** Whether standard input is connected; otherwise the process reads end of file. */
  readonly openStdin: boolean;
  /** `bridge`: the job's own network. `none`: loopback only. */
  readonly network: "bridge" | "none";
  /** Paths under /proc and /sys that the container must not see, and those that it must not change. */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** Size of the terminal when it starts, in characters. */
  readonly consoleSize?: { readonly columns: number; readonly rows: number };
}

/** Takes a container's output, in order for each stream. Not called again until the returned promise settled. */
export type OutputSink = (stream: OutputStream, chunk: Uint8Array) => Promise<void> | void;

/** How a container ended. */
export interface Exit {
  /** 0–255; 128 + n for signal n. */
  readonly code: number;
  readonly at: Date;
  readonly oomKilled: boolean;
}

/** Where a running container is reachable in the job's network. */
export interface Endpoint {
  readonly ipAddress: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly macAddress: string;
}

/** A started container. */
export interface RunningContainer {
  readonly startedAt: Date;
  /** The host's number for the container's first process, where the engine has one: inspect's `State.Pid`. */
  readonly processId?: number;
  readonly endpoint?: Endpoint;
  /** Settles when the process ended and all its output went to the sink. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Signals the first process. Resolves quietly when it ended already. */
  kill(signal: number): Promise<void>;
  /** Sets the terminal's size; does nothing without a TTY. */
  resize(size: { columns: number; rows: number }): Promise<void>;
  /** Sends bytes to standard input, with back-pressure. Bytes to a process that ended are dropped. */
  writeStdin(chunk: Uint8Array): Promise<void>;
  /** Ends standard input. Idempotent. */
  closeStdin(): Promise<void>;
}

/** One job's containers in an engine. */
export interface ContainerEngine {
  /** Whether containers have a cgroup namespace of their own or see the host's: inspect's `CgroupnsMode`. */
  readonly cgroupNamespace: "private" | "host";
  /** Prepares a container so that `start` is quick. A failed create leaves nothing behind. */
  create(spec: ContainerSpec): Promise<void>;
  /**
   * Starts it, or starts it again after it ended. Errors: `invalid` in runc's words when the command cannot be
   * run (`exec: "x": executable file not found in $PATH`, `permission denied`), which the client turns
   * into exit codes 127 and 126; `invalid` for an unknown user; `unavailable` when the engine is down.
   */
  start(id: string, output: OutputSink): Promise<RunningContainer>;
  /**
   * Removes a container that does not run, and all it wrote. Resolves when nothing of it is left; callers that only
   * need it unreachable do not wait. Unknown ids are fine.
   */
  remove(id: string): Promise<void>;
  /** What a container wrote to its file system, in bytes: `docker ps -s`. Left out by engines that cannot tell. */
  writtenBytes?(id: string): Promise<number>;
}

/** Job-scoped; an engine provides it. Closing it kills and removes whatever the job still has. */
export const ContainerEngineToken: Token<ContainerEngine> = token("containers.engine");

/** Finds images of the job. */
export interface ImageLookup {
  /**
   * By reference, ID or unambiguous ID prefix. Errors: `not-found` in Docker's words, `No such image: x`.
   */
  find(name: string): StoredImage;
  /**
   * The references that name an image now, familiar form (`busybox:latest`). `ps` shows the name a container was made
   * with unless that now names another image.
   */
  referencesTo(imageId: string): readonly string[];
  /** The containers area says how to find out who uses an image, for `docker rmi` conflicts. Called once a job. */
  askForUsers(users: ImageUsers): void;
}

/** The containers made from an image. */
export type ImageUsers = (imageId: string) => readonly { readonly id: string; readonly running: boolean }[];

/** Job-scoped; the images area provides it. */
export const ImageLookupToken: Token<ImageLookup> = token("containers.images");
