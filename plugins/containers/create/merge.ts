import { invalid } from "../../../core/support/errors.ts";
import type { ImageConfig } from "../backend.ts";
import type { ContainerConfig } from "../model/record.ts";
import type { CreateBody } from "./create-body.ts";

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** All ports of tcp, udp and sctp together. */
const mostPorts = 3 * 65_535;

/**
 * Lays what was asked over what the image says, as Docker does: lists of variables, labels and ports are joined,
 * everything else is replaced, and a new entrypoint drops the image's command. Inspect shows the result as `Config`.
 *
 * Errors: 400 `no command specified`.
 */
export function mergeConfig(body: CreateBody, image: ImageConfig, id: string): ContainerConfig {
  const defaults = image.config ?? {};
  const { entrypoint, command } = mergeCommand(body, defaults);
  const ports = { ...defaults.ExposedPorts, ...body.ExposedPorts };
  return {
    Hostname: body.Hostname || id.slice(0, 12),
    Domainname: body.Domainname ?? "",
    User: body.User || defaults.User || "",
    AttachStdin: body.AttachStdin ?? false,
    AttachStdout: body.AttachStdout ?? false,
    AttachStderr: body.AttachStderr ?? false,
    ...(Object.keys(ports).length > 0 && { ExposedPorts: normalizePorts(ports) }),
    Tty: body.Tty ?? false,
    OpenStdin: body.OpenStdin ?? false,
    StdinOnce: body.StdinOnce ?? false,
    Env: [...(body.Env ?? []), ...withoutNames(defaults.Env ?? [], body.Env ?? [])],
    Cmd: command,
    Image: body.Image ?? "",
    Volumes: null,
    WorkingDir: body.WorkingDir || defaults.WorkingDir || "",
    Entrypoint: entrypoint,
    OnBuild: body.OnBuild ?? null,
    Labels: { ...defaults.Labels, ...body.Labels },
    ...stopOf(body, defaults),
    ...((body.Shell ?? defaults.Shell)?.length && { Shell: body.Shell ?? defaults.Shell }),
  };
}

/** The environment of the process: Docker's own variables under those of the configuration. */
export function processEnv(config: ContainerConfig): string[] {
  const own = [defaultPath, `HOSTNAME=${config.Hostname}`, ...(config.Tty ? ["TERM=xterm"] : [])];
  return overlayEnv(own, config.Env);
}

function mergeCommand(body: CreateBody, defaults: NonNullable<ImageConfig["config"]>) {
  let entrypoint = wordsOf(body.Entrypoint);
  let command = wordsOf(body.Cmd);
  if (!entrypoint?.length && !command?.length) command = defaults.Cmd ? [...defaults.Cmd] : null;
  entrypoint ??= defaults.Entrypoint ? [...defaults.Entrypoint] : null;
  // `--entrypoint ""` is sent as a list of one empty string and means none.
  if (entrypoint?.length === 1 && entrypoint[0] === "") entrypoint = null;
  if (!entrypoint?.length && !command?.length) throw invalid("no command specified");
  return { entrypoint, command };
}

function wordsOf(words: readonly string[] | string | null | undefined): string[] | null {
  if (words === null || words === undefined) return null;
  return typeof words === "string" ? [words] : [...words];
}

/** The image's variables that the request does not name: Docker shows them after the request's. */
function withoutNames(variables: readonly string[], named: readonly string[]): string[] {
  const names = new Set(named.map(nameOf));
  return variables.filter((variable) => !names.has(nameOf(variable)));
}

const nameOf = (variable: string) => variable.split("=", 1)[0];

/** Replaces variables in place, appends new ones; a name without `=` takes the variable away. */
function overlayEnv(base: string[], changes: readonly string[]): string[] {
  const byName = new Map(base.map((variable) => [nameOf(variable), variable]));
  for (const change of changes) {
    if (change.includes("=")) byName.set(nameOf(change), change);
    else byName.delete(nameOf(change));
  }
  return [...byName.values()];
}

/** Ranges written out. Errors: 400 for more ports than there are: an image or a client that means harm. */
function normalizePorts(ports: Readonly<Record<string, object>>): Record<string, object> {
  const result: Record<string, object> = {};
  let count = 0;
  for (const port of Object.keys(ports)) {
    const [range = "", protocol = "tcp"] = port.toLowerCase().split("/");
    const [from = 0, to = from] = range.split("-").map(Number);
    count += to - from + 1;
    if (count > mostPorts) throw invalid(`more than ${mostPorts} ports are exposed; expose fewer`);
    for (let number = from; number <= to; number++) result[`${number}/${protocol}`] = {};
  }
  return result;
}

function stopOf(body: CreateBody, defaults: NonNullable<ImageConfig["config"]>) {
  const signal = body.StopSignal || defaults.StopSignal;
  const timeout = body.StopTimeout;
  return {
    ...(signal && { StopSignal: signal }),
    ...(typeof timeout === "number" && { StopTimeout: timeout }),
  };
}
