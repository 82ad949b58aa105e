import type { RegistryCredentials } from "../images/backend.ts";
import type { Answer, Transport } from "./transport.ts";

/** Whom a session talks to, and as whom. */
export interface SessionParts {
  /** The registry's own address, `https://registry.example:5000`. */
  readonly base: URL;
  readonly transport: Transport;
  readonly credentials: RegistryCredentials | undefined;
  /** What tokens are asked for, `repository:team/app:pull`, several with a space between; none to log in. */
  readonly scope?: string;
  /** True to ask the token server for an identity token as well. */
  readonly isLogin?: boolean;
  /** The error for a token server's answer that is not a success. */
  readonly refuse: (answer: Answer) => Promise<Error> | Error;
  /** The error for a registry that wants user name and password when there are none; default in Docker's words for GET. */
  readonly noCredentials?: () => Error;
}
