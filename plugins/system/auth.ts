import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { inject, optional } from "../../core/kernel/scope.ts";
import { ApiError } from "../../core/support/errors.ts";
import { type Registries, RegistriesToken, type RegistryCredentials } from "../images/backend.ts";

type LoginBody = RegistryCredentials & { readonly serveraddress?: string };

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
    const { serveraddress, ...credentials } = await request.json<LoginBody>() ?? {};
    await this.#registries.login(serveraddress ?? "", credentials, request.signal);
    return json({ IdentityToken: "", Status: "Login Succeeded" });
  }
}
