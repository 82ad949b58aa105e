import type { Exchange } from "./exchange.ts";

/** Shorter ones stand in any text by chance. */
const shortestSecret = 4;

/**
 * A server's text without the secrets of the request it answers: what it was shown in `Authorization`, and what was
 * in a form. Errors go to the job's terminal and to the daemon's log.
 */
export function withoutSecrets(exchange: Exchange, text: string): string {
  const secrets = secretsOf(exchange).filter((secret) => secret.length >= shortestSecret);
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, "[hidden]"), text);
}

function secretsOf({ headers, body }: Exchange): string[] {
  const shown = headers.authorization?.split(" ")[1] ?? "";
  const pair = headers.authorization?.startsWith("Basic ")
    ? Buffer.from(shown, "base64").toString("utf8")
    : "";
  const password = pair.slice(pair.indexOf(":") + 1);
  const refreshToken = typeof body === "string" ? new URLSearchParams(body).get("refresh_token") ?? "" : "";
  return [shown, password, refreshToken];
}
