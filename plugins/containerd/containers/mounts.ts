/** One entry of an OCI specification's `mounts`. */
export interface SpecMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

const guarded = ["nosuid", "noexec", "nodev"];

/** Size of /dev/shm, in bytes: Docker's default. */
export const shmBytes = 64 * 1024 * 1024;

const systemMounts: readonly SpecMount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: guarded },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: [...guarded, "ro"] },
  { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...guarded, "ro"] },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: guarded },
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: [...guarded, "mode=1777", `size=${shmBytes}`],
  },
];

/**
 * What every container has mounted, in mount order: the kernel's file systems, and the files under /etc that are made
 * for each container.
 *
 * @param etcDir where those files are, see `writeEtcFiles`
 */
export function defaultMounts(etcDir: string): SpecMount[] {
  const files = ["resolv.conf", "hostname", "hosts"].map((name) => ({
    destination: `/etc/${name}`,
    type: "bind",
    source: `${etcDir}/${name}`,
    options: ["rbind", "rprivate"],
  }));
  return [...systemMounts, ...files];
}
