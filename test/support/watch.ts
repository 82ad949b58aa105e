import { daemonId } from "../../core/daemon/daemon.ts";
import { type HostSnapshot, type LeakScope, remains, snapshotHost } from "./leaks.ts";

/**
 * Files that a stopped daemon leaves in its data directory: images, containerd's databases, configuration and log, the
 * directories that all jobs share; and what the tests themselves put there.
 */
const kept =
  /^(containerd(\/(config\.toml|containerd\.log|root(\/.*)?))?|jobs|cni(\/networks)?|images(\/preload\.json)?|daemon\.(lock|log)|test\.(toml|log))$/;

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

  /**
   * What was left since and stays: processes, mounts, interfaces, rules, control groups, files. A stopped daemon may
   * keep what {@link kept} names.
   */
  leftovers(): Promise<string[]> {
    return remains(this.#before, this.#scope, { isMeant: (line) => this.#isKept(line) });
  }

  #isKept(line: string): boolean {
    return this.#scope.directories!.some((directory) =>
      line.startsWith(`file: ${directory}/`) && kept.test(line.slice(`file: ${directory}/`.length))
    );
  }
}
