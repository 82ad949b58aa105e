import type { ApiRequest } from "../../core/kernel/request.ts";
import { type ApiError, unavailable } from "../../core/support/errors.ts";
import type { Registries } from "../../plugins/images/backend.ts";
import { Auth } from "../../plugins/system/auth.ts";
import { assert, test } from "../support/test.ts";

/** Only what a login asks for. */
function request(body: unknown): ApiRequest {
  return { json: () => Promise.resolve(body), signal: new AbortController().signal } as unknown as ApiRequest;
}

test("passes a login on to the registry, and nothing but its fields", async () => {
  const calls: unknown[] = [];
  const registries = { login: (...call: unknown[]) => Promise.resolve(void calls.push(call.slice(0, 2))) };
  const auth = new Auth(registries as unknown as Registries);
  await auth.check(request({ username: "me", password: "x", email: "", serveraddress: "registry.test" }));
  await auth.check(request(undefined));
  assert.equal(calls, [["registry.test", { username: "me", password: "x" }], ["", {}]]);
});

test("refuses a login that is not an object of texts", async () => {
  const registries = { login: () => Promise.reject(unavailable("asked")) } as unknown as Registries;
  const cases: [unknown, string][] = [
    ["text", "invalid JSON: the body must be an object"],
    [[], "invalid JSON: the body must be an object"],
    [{ serveraddress: 5 }, "invalid JSON: serveraddress must be a string"],
    [{ username: {} }, "invalid JSON: username must be a string"],
  ];
  for (const [body, message] of cases) {
    const error = await new Auth(registries).check(request(body)).then(() => undefined, (error) => error);
    assert.equal([(error as ApiError).status, (error as ApiError).message], [400, message]);
  }
});

test("says that no plugin reaches registries", async () => {
  const error = await new Auth(undefined).check(request({})).then(() => undefined, (error) => error);
  assert.is((error as ApiError).status, 501);
});
