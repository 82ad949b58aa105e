/** What root may do in a container unless told otherwise: Docker's fourteen. Source: Docker Engine, default capabilities. */
export const defaultCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** The capability sets of a process: other users than root get what execve(2) leaves them, the bounding set alone. */
export function capabilitySets(uid: number): Record<string, readonly string[]> {
  if (uid !== 0) return { bounding: defaultCapabilities };
  return { bounding: defaultCapabilities, effective: defaultCapabilities, permitted: defaultCapabilities };
}
