import { ApiError, invalid } from "../../core/support/errors.ts";
import type { RegistryCredentials } from "../images/backend.ts";
import { Session } from "./session.ts";
import type { Answer, Transport } from "./transport.ts";

/** The host of a server address as clients keep it: `https://index.docker.io/v1/`, `registry.example:5000`. */
export function hostOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
  if (["", "docker.io", "index.docker.io"].includes(host)) return "registry-1.docker.io";
  if (!/^(?:[\w.-]+|\[[\da-fA-F:]+\])(?::\d{1,5})?$/.test(host)) {
    throw invalid(`serveraddress ${JSON.stringify(serverAddress).slice(0, 200)} is not a registry`);
  }
  return host;
}

/** Shows a registry credentials; an `unauthorized` error, in Docker's words, when it does not take them. */
export async function login(
  base: URL,
  transport: Transport,
  credentials: RegistryCredentials,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL("/v2/", base);
  const refuse = ({ status, statusText }: Answer) =>
    new ApiError("unauthorized", `login attempt to ${url.href} failed with status: ${status} ${statusText}`);
  const answer = await new Session({ base, transport, credentials, refuse }).get(url, {}, signal);
  answer.discard();
  if (answer.status < 200 || answer.status >= 300) throw refuse(answer);
}
