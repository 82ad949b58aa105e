import { ApiError, invalid } from "../../core/support/errors.ts";
import type { AcceptedLogin, RegistryCredentials } from "../images/backend.ts";
import { plainRefusal } from "./answers.ts";
import { isHost, servingHost } from "./host-name.ts";
import { Session } from "./session.ts";
import type { Answer, Transport } from "./transport.ts";

/** The host of a server address as clients keep it: `https://index.docker.io/v1/`, `registry.example:5000`. */
export function hostOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, "").split("/", 1)[0] || "docker.io";
  if (!isHost(host)) {
    throw invalid(
      `unable to parse server address: ${JSON.stringify(serverAddress).slice(0, 200)} is no registry`,
    );
  }
  return servingHost(host);
}

/** Shows a registry credentials; an `unauthorized` error, in Docker's words, when it does not take them. */
export async function login(
  base: URL,
  transport: Transport,
  credentials: RegistryCredentials,
  signal: AbortSignal,
): Promise<AcceptedLogin> {
  const url = new URL("/v2/", base);
  const session = new Session({ base, transport, credentials, isLogin: true, refuse: plainRefusal });
  const answer = await session.get(url, {}, signal);
  answer.discard();
  if (answer.status < 200 || answer.status >= 300) throw refused(url, answer);
  return { identityToken: session.identityToken ?? credentials.identitytoken };
}

function refused(url: URL, { status, statusText }: Answer): ApiError {
  const text = `login attempt to ${url.href} failed with status: ${status} ${statusText.slice(0, 100)}`;
  return new ApiError(status === 401 || status === 403 ? "unauthorized" : "internal", text);
}
