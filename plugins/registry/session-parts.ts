import type { RegistryCredentials } from "../images/backend.ts";
import type { Answer, Transport } from "./transport.ts";

/** Whom a session talks to, and as whom. */
export interface SessionParts {
  /** The registry's own address, `https://registry.example:5000`. */
  readonly base: URL;
  readonly transport: Transport;
  readonly credentials: RegistryCredentials | undefined;
  /** What tokens are asked for, `repository:team/app:pull`; none to log in. */
  readonly scope?: string;
  /** The error for a token server's answer that is not a success. */
  readonly refuse: (answer: Answer) => Promise<Error> | Error;
}
