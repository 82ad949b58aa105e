import type { ContainerSpec } from "../../containers/backend.ts";

/**
 * The process's environment in Docker's order: PATH, HOSTNAME, TERM with a terminal, then what image and request set,
 * each name once. HOME is the runtime's doing: runc takes it from the container's passwd when it is not set.
 */
export function environmentOf(spec: Pick<ContainerSpec, "env" | "hostname" | "tty">): string[] {
  const values = new Map<string, string>();
  const path = spec.env.find((entry) => entry.startsWith("PATH="));
  const defaults = [path, `HOSTNAME=${spec.hostname}`, spec.tty ? "TERM=xterm" : undefined];
  for (const entry of [...defaults, ...spec.env]) {
    if (entry !== undefined) values.set(entry.split("=", 1)[0] ?? "", entry);
  }
  return [...values.values()];
}
