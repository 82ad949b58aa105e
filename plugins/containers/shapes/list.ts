import type { Container } from "../model/container.ts";
import type { ContainerState } from "../model/record.ts";
import { humanDuration } from "./duration.ts";
import { networksOf } from "./network.ts";

/** One element of what `GET /containers/json` answers. @param image the name to show, or the ID it has become */
export function listShape(container: Container, image: string): Record<string, unknown> {
  const { facts, state } = container;
  return {
    Id: facts.id,
    Names: [`/${facts.name}`],
    Image: image,
    ImageID: facts.imageId,
    Command: commandLine([...(facts.config.Entrypoint ?? []), ...(facts.config.Cmd ?? [])]),
    Created: Math.floor(Date.parse(facts.createdAt) / 1000),
    Ports: portsOf(container),
    Labels: facts.config.Labels,
    State: state.status,
    Status: statusLine(state),
    HostConfig: { NetworkMode: facts.host.network },
    NetworkSettings: { Networks: networksOf(container) },
    Mounts: [],
  };
}

/** "Up 3 seconds", "Exited (0) 2 minutes ago", "Created". */
export function statusLine(state: ContainerState, nowMs = Date.now()): string {
  const since = (time: string) => humanDuration(nowMs - Date.parse(time));
  if (state.status === "running") return `Up ${since(state.startedAt)}`;
  if (state.status === "exited") return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  return "Created";
}

/** Arguments with blanks stand in single quotes; the command itself does not. */
function commandLine([path = "", ...args]: readonly string[]): string {
  return [path, ...args.map((arg) => arg.includes(" ") ? `'${arg}'` : arg)].join(" ");
}

function portsOf({ running, facts }: Container): object[] {
  if (!running) return [];
  return Object.keys(facts.config.ExposedPorts ?? {}).map((port) => {
    const [number, type] = port.split("/");
    return { PrivatePort: Number(number), Type: type };
  });
}
