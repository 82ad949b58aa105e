import type { ApiRequest } from "../../core/kernel/request.ts";
import { type ApiError, unavailable } from "../../core/support/errors.ts";
import type { RegistryLogins } from "../../plugins/images/backend.ts";
import { Auth } from "../../plugins/system/auth.ts";
import { assert, test } from "../support/test.ts";

/** Only what a login asks for. */
function request(body: unknown): ApiRequest {
  return { json: () => Promise.resolve(body), signal: new AbortController().signal } as unknown as ApiRequest;
}

/** Logins of a job, of which only the making is asked for. */
const logins = (login: RegistryLogins["login"]): RegistryLogins => ({
  login,
  credentialsFor: () => undefined,
});

test("passes a login on, and nothing but its fields", async () => {
  const calls: unknown[] = [];
  const auth = new Auth(logins((...call) => Promise.resolve((calls.push(call.slice(0, 2)), {}))));
  await auth.check(request({ username: "me", password: "x", email: "", serveraddress: "registry.test" }));
  await auth.check(request(undefined));
  assert.equal(calls, [["registry.test", { username: "me", password: "x" }], ["", {}]]);
});

test("gives the client what stands for its password, where the registry gave it", async () => {
  const body = async (identityToken?: string) => {
    const reply = await new Auth(logins(() => Promise.resolve({ identityToken }))).check(request({}));
    return reply.kind === "json" && reply.body;
  };
  assert.equal(await body("token"), { IdentityToken: "token", Status: "Login Succeeded" });
  assert.equal(await body(), { IdentityToken: "", Status: "Login Succeeded" });
});

test("refuses a login that is not an object of texts", async () => {
  const asked = logins(() => Promise.reject(unavailable("asked")));
  const cases: [unknown, string][] = [
    ["text", "invalid JSON: the body must be an object"],
    [[], "invalid JSON: the body must be an object"],
    [{ serveraddress: 5 }, "invalid JSON: serveraddress must be a string"],
    [{ username: {} }, "invalid JSON: username must be a string"],
  ];
  for (const [body, message] of cases) {
    const error = await new Auth(asked).check(request(body)).then(() => undefined, (error) => error);
    assert.equal([(error as ApiError).status, (error as ApiError).message], [400, message]);
  }
});

test("says that no plugin reaches registries", async () => {
  const error = await new Auth(undefined).check(request({})).then(() => undefined, (error) => error);
  assert.is((error as ApiError).status, 501);
});
