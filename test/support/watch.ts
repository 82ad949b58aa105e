import { daemonId } from "../../core/daemon/daemon.ts";
import { differences, type HostSnapshot, type LeakScope, snapshotHost } from "./leaks.ts";

/** Compares the host before some daemons started and after they stopped. */
export class Watch {
  readonly #scope: LeakScope;
  readonly #before: HostSnapshot;

  private constructor(scope: LeakScope, before: HostSnapshot) {
    this.#scope = scope;
    this.#before = before;
  }

  /** Remembers how the host is now. */
  static async start(dataDirs: readonly string[]): Promise<Watch> {
    const scope = { directories: dataDirs, daemonIds: dataDirs.map(daemonId) };
    return new Watch(scope, await snapshotHost(scope));
  }

  /** What was left since: processes, mounts, interfaces, rules, control groups, files of jobs. */
  async leftovers(): Promise<string[]> {
    const found = differences(this.#before, await snapshotHost(this.#scope));
    return found.filter((line) => !this.#isKept(line));
  }

  #isKept(line: string): boolean {
    if (!line.startsWith("file: ")) return false;
    return !this.#scope.directories!.some((directory) => line.startsWith(`file: ${directory}/jobs/`));
  }
}
