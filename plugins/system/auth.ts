import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject, optional } from "../../core/kernel/scope.ts";
import { ApiError, invalid } from "../../core/support/errors.ts";
import { type Registries, RegistriesToken, type RegistryCredentials } from "../images/backend.ts";

/** `POST /auth`: tells `docker login` whether a registry takes the credentials. Keeps none of them. */
export class Auth {
  readonly #registries: Registries | undefined;

  constructor(@inject(optional(RegistriesToken)) registries: Registries | undefined) {
    this.#registries = registries;
  }

  async check(request: ApiRequest): Promise<Reply> {
    if (!this.#registries) {
      throw new ApiError(
        "not-implemented",
        "no enabled plugin reaches registries; enable the registry plugin",
      );
    }
    const { serveraddress = "", ...credentials } = checkLogin(await request.json() ?? {});
    await this.#registries.login(serveraddress, credentials, request.signal);
    return json({ IdentityToken: "", Status: "Login Succeeded" });
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
