import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject, optional } from "../../core/kernel/scope.ts";
import { ApiError, invalid } from "../../core/support/errors.ts";
import { type RegistryCredentials, type RegistryLogins, RegistryLoginsToken } from "../images/backend.ts";

/** `POST /auth`: finds out for `docker login` whether a registry takes the credentials; the job keeps those it takes. */
export class Auth {
  readonly #logins: RegistryLogins | undefined;

  constructor(@inject(optional(RegistryLoginsToken)) logins: RegistryLogins | undefined) {
    this.#logins = logins;
  }

  async check(request: ApiRequest): Promise<Reply> {
    if (!this.#logins) {
      throw new ApiError(
        "not-implemented",
        "no enabled plugin logs in to registries; enable the images plugin",
      );
    }
    const { serveraddress = "", ...credentials } = checkLogin(await request.json() ?? {});
    const { identityToken = "" } = await this.#logins.login(serveraddress, credentials, request.signal);
    return json({ IdentityToken: identityToken, Status: "Login Succeeded" });
  }
}

type Login = RegistryCredentials & { readonly serveraddress?: string };

const loginFields = ["username", "password", "identitytoken", "registrytoken", "serveraddress"] as const;

/** The known fields of a login. Errors: 400 naming the one that is not text. */
function checkLogin(body: object): Login {
  if (typeof body !== "object" || Array.isArray(body)) {
    throw invalid("invalid JSON: the body must be an object");
  }
  const login: { -readonly [Field in keyof Login]: Login[Field] } = {};
  for (const field of loginFields) {
    const value = (body as Record<string, unknown>)[field] ?? undefined;
    if (value !== undefined && typeof value !== "string") {
      throw invalid(`invalid JSON: ${field} must be a string`);
    }
    if (value !== undefined) login[field] = value;
  }
  return login;
}
