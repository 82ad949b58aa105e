/** Ports as EXPOSE writes them. Source: go-connections `nat`, by asking Docker Engine 28.5. */
import { isIP } from "node:net";
import { invalid } from "../../../core/support/errors.ts";

/** `80/tcp` for each port that `8080:80-82/tcp` names. Errors: `invalid` in Docker's words. */
export function exposedPorts(spec: string): string[] {
  const parts = spec.split(":");
  const [container = "", host = ""] = parts.reverse();
  const address = parts.slice(2).reverse().join(":").replace(/^\[(.*)\]$/, "$1");
  const [numbers = "", protocol = ""] = container.split("/");
  if (address !== "" && isIP(address) === 0) throw invalid(`Invalid ip address: ${address.slice(0, 200)}`);
  if (numbers === "") throw invalid(`No port specified: ${spec.slice(0, 200)}<empty>`);
  const range = portRange(numbers, "containerPort");
  if (host !== "") checkHostRange(host, numbers, range);
  const name = (protocol || "tcp").toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(name)) throw invalid(`Invalid proto: ${protocol.slice(0, 200)}`);
  return Array.from({ length: range.last - range.first + 1 }, (_, at) => `${range.first + at}/${name}`);
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function portRange(text: string, what: string): Range {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first !== undefined && range.first <= range.last && range.last <= 65535) return range;
  throw invalid(`Invalid ${what}: ${text.slice(0, 200)}`);
}

/** What EXPOSE says of the host counts for nothing, and must be right all the same. */
function checkHostRange(host: string, container: string, { first, last }: Range): void {
  const range = portRange(host, "hostPort");
  if (last === first || range.last - range.first === last - first) return;
  throw invalid(`Invalid ranges specified for container and host Ports: ${container} and ${host}`);
}
