import { invalid, unsupportedField } from "../../../core/support/errors.ts";
import { parseSignal } from "../model/signals.ts";
import { checkFields, isEmpty, refusedByPolicy } from "./check-fields.ts";
import { createFields } from "./create-fields.ts";

/** The body of `POST /containers/create`, as far as it is honoured. Checked; anything may be missing. */
export interface CreateBody {
  readonly Hostname?: string | null;
  readonly Domainname?: string | null;
  readonly User?: string | null;
  readonly AttachStdin?: boolean | null;
  readonly AttachStdout?: boolean | null;
  readonly AttachStderr?: boolean | null;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Tty?: boolean | null;
  readonly OpenStdin?: boolean | null;
  readonly StdinOnce?: boolean | null;
  readonly Env?: readonly string[] | null;
  readonly Cmd?: readonly string[] | string | null;
  readonly Image?: string | null;
  readonly WorkingDir?: string | null;
  readonly Entrypoint?: readonly string[] | string | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string | null;
  readonly StopTimeout?: number | null;
  readonly Shell?: readonly string[] | null;
  readonly OnBuild?: readonly string[] | null;
  readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null;
  readonly HostConfig?: {
    readonly AutoRemove?: boolean | null;
    readonly ConsoleSize?: readonly [number, number] | null;
    readonly NetworkMode?: string | null;
    readonly CgroupnsMode?: string | null;
    readonly LogConfig?: { readonly Type?: string | null } | null;
  } | null;
  readonly NetworkingConfig?: { readonly EndpointsConfig?: Readonly<Record<string, object>> | null } | null;
}

/**
 * Checks a body against the table and for what Docker refuses before it looks at the image. Errors: 400 in Docker's
 * words or naming the field that cannot be honoured; 403 for what policy refuses.
 */
export function checkCreateBody(raw: unknown): CreateBody {
  if (raw === undefined) throw invalid("invalid JSON: got EOF while reading request body");
  checkFields(raw, createFields);
  const { HostConfig: _host, NetworkingConfig: _network, ...config } = (raw ?? {}) as Record<string, unknown>;
  if (Object.values(config).every(isEmpty)) {
    throw invalid("config cannot be empty in order to create a container");
  }
  const body = raw as CreateBody;
  checkWorkingDir(body.WorkingDir);
  checkEnv(body.Env ?? []);
  if (body.StopSignal && !parseSignal(body.StopSignal)) throw invalid(`invalid signal: ${body.StopSignal}`);
  for (const port of Object.keys(body.ExposedPorts ?? {})) checkPort(port);
  checkNetwork(body);
  return body;
}

function checkWorkingDir(path: string | null | undefined): void {
  if (!path || path.startsWith("/")) return;
  throw invalid(`the working directory '${path}' is invalid, it needs to be an absolute path`);
}

function checkEnv(variables: readonly string[]): void {
  for (const variable of variables) {
    if (variable === "" || variable.startsWith("=")) {
      throw invalid(`invalid environment variable: ${variable}`);
    }
    if (variable.includes("\0")) throw invalid("invalid environment variable: it contains a null byte");
  }
}

function checkPort(port: string): void {
  const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(?:tcp|udp|sctp))?$/i.exec(port) ?? [];
  if (from && Number(from) > 0 && Number(to ?? from) <= 65535 && Number(to ?? from) >= Number(from)) return;
  throw invalid(`invalid port specification: "${port}"`);
}

function checkNetwork(body: CreateBody): void {
  const mode = networkOf(body);
  for (const name of Object.keys(body.NetworkingConfig?.EndpointsConfig ?? {})) {
    if ((name === "default" ? "bridge" : name) !== mode) {
      throw unsupportedField(`NetworkingConfig.EndpointsConfig.${name}`, `the container is on ${mode}`);
    }
  }
}

/** The network a body asks for. Errors: 403 for the host's, 400 for what is not there yet. */
export function networkOf(body: CreateBody): "bridge" | "none" {
  const mode = body.HostConfig?.NetworkMode || "default";
  if (mode === "default" || mode === "bridge") return "bridge";
  if (mode === "none") return "none";
  if (mode === "host") throw refusedByPolicy("HostConfig.NetworkMode", mode, "hostNamespaces");
  throw unsupportedField("HostConfig.NetworkMode", `"${mode}" is neither bridge nor none`);
}

/** The host configuration's fields that hold an empty list or object. */
export function emptyAsSent({ HostConfig }: CreateBody): Record<string, unknown> {
  const entries = Object.entries(HostConfig ?? {});
  return Object.fromEntries(
    entries.filter(([name, value]) => shownAsSent.has(name) && isEmptyContainer(value)),
  );
}

/** Fields of which inspect tells "none was sent" from "none are wanted". */
const shownAsSent: ReadonlySet<string> = new Set([
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
  "BlkioWeightDevice",
  "Devices",
  "Dns",
  "DnsOptions",
  "DnsSearch",
  "PortBindings",
  "Ulimits",
]);

const isEmptyContainer = (value: unknown) =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;
