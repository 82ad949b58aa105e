import type { Container } from "../model/container.ts";
import { hostConfig } from "./host-config.ts";
import { networkSettings } from "./network.ts";

/** What `GET /containers/{id}/json` answers. Fields and order of API 1.51. */
export function inspectShape(container: Container): Record<string, unknown> {
  const { facts, state } = container;
  const [path = "", ...args] = [...(facts.config.Entrypoint ?? []), ...(facts.config.Cmd ?? [])];
  return {
    Id: facts.id,
    Created: facts.createdAt,
    Path: path,
    Args: args,
    State: {
      Status: state.status,
      Running: state.status === "running",
      Paused: false,
      Restarting: false,
      OOMKilled: state.oomKilled,
      Dead: false,
      Pid: state.processId,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
    },
    Image: facts.imageId,
    ResolvConfPath: "",
    HostnamePath: "",
    HostsPath: "",
    LogPath: "",
    Name: `/${facts.name}`,
    RestartCount: 0,
    Driver: "overlayfs",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: hostConfig(facts.host),
    GraphDriver: { Data: null, Name: "overlayfs" },
    Mounts: [],
    Config: facts.config,
    NetworkSettings: networkSettings(container),
  };
}
