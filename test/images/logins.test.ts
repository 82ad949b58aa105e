import { assert, rejection, test } from "../support/test.ts";
import { ApiError } from "../../core/support/errors.ts";
import { bodyOf, openArea, request } from "./area.ts";

const never = new AbortController().signal;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const hub = "registry-1.docker.io";
const me = { username: "me", password: "secret" };

test("pulls in the name of the job's login when the request says nothing", async (undo) => {
  const { logins, pull, registries } = await openArea(undo);
  await logins.login("registry.test:5000", me, never);
  const pullAs = async (image: string, headers: Record<string, string> = {}) => {
    await rejection(pull.create(request({ query: { fromImage: image, tag: "1" }, headers })));
    return registries.asked.at(-1)?.[2];
  };
  assert.equal(await pullAs("registry.test:5000/app"), me);
  assert.is(await pullAs("other.test/app"), undefined);
  assert.is(await pullAs("busybox"), undefined);
  // Clients that are logged out say so by an empty one.
  assert.is(await pullAs("registry.test:5000/app", { "x-registry-auth": "" }), undefined);
  assert.is(await pullAs("registry.test:5000/app", { "x-registry-auth": encode({}) }), undefined);
  const other = { username: "you", password: "other" };
  assert.is(
    (await pullAs("registry.test:5000/app", { "x-registry-auth": encode(other) }))?.username,
    "you",
  );
});

test("knows Docker Hub by the address that clients keep it under", async (undo) => {
  const { logins, registries } = await openArea(undo);
  for (const address of ["https://index.docker.io/v1/", "", "docker.io", "index.docker.io"]) {
    await logins.login(address, { ...me, username: address || "none" }, never);
    assert.is(logins.credentialsFor({}, hub)?.username, address || "none");
    assert.is(registries.loggedIn.at(-1)?.[0], hub);
  }
});

test("logs in where names without a registry are pulled from", async (undo) => {
  const { logins, registries } = await openArea(undo, { defaultRegistry: "local.test:5000" });
  await logins.login("https://index.docker.io/v1/", me, never);
  assert.is(registries.loggedIn[0]?.[0], "local.test:5000");
  assert.equal(logins.credentialsFor({}, "local.test:5000"), me);
});

test("takes the registry's entry of X-Registry-Config, and the login where there is none", async (undo) => {
  const { logins } = await openArea(undo);
  await logins.login("b.test", me, never);
  const config = encode({
    "https://index.docker.io/v1/": { auth: Buffer.from("hub:x:y").toString("base64") },
    "https://a.test:5000/v2/": { identitytoken: "t" },
  });
  const named = (registry: string) => {
    const { username, password, identitytoken } =
      logins.credentialsFor({ "x-registry-config": config }, registry) ?? {};
    return [username, password, identitytoken];
  };
  assert.equal(named(hub), ["hub", "x:y", undefined]);
  assert.equal(named("a.test:5000"), [undefined, undefined, "t"]);
  assert.equal(named("b.test"), ["me", "secret", undefined]);
  assert.equal(named("c.test"), [undefined, undefined, undefined]);
  assert.is(
    logins.credentialsFor({ "x-registry-config": config, "x-registry-auth": encode(me) }, hub)?.username,
    "me",
  );
});

test("takes headers that nobody can read for none", async (undo) => {
  const { logins } = await openArea(undo);
  const headers = [
    "garbage!!",
    encode([]),
    encode("text"),
    encode({ a: 5, "b.test": "text", "c.test": null }),
  ];
  for (const header of headers) {
    for (const registry of ["a", "b.test", "c.test"]) {
      assert.is(logins.credentialsFor({ "x-registry-config": header }, registry), undefined);
    }
    assert.is(logins.credentialsFor({ "x-registry-auth": header }, "a"), undefined);
  }
});

test("keeps no password where a token stands for it, and no login that was refused", async (undo) => {
  const { logins, registries } = await openArea(undo);
  registries.identityToken = "token";
  await logins.login("a.test", me, never);
  assert.equal(logins.credentialsFor({}, "a.test"), { username: "me", identitytoken: "token" });
  registries.login = () => Promise.reject(new ApiError("unauthorized", "no"));
  await rejection(logins.login("a.test", { ...me, password: "wrong" }, never));
  assert.is(logins.credentialsFor({}, "a.test")?.identitytoken, "token");
  await rejection(logins.login("b.test", me, never));
  assert.is(logins.credentialsFor({}, "b.test"), undefined);
});

test("forgets the logins with the job, and the oldest of very many", async (undo) => {
  const { logins } = await openArea(undo);
  for (let at = 0; at <= 100; at++) await logins.login(`r${at}.test`, me, never);
  assert.is(logins.credentialsFor({}, "r0.test"), undefined);
  assert.ok(logins.credentialsFor({}, "r100.test"));
  logins.close();
  assert.is(logins.credentialsFor({}, "r100.test"), undefined);
});

test("describes what a registry has, in the name of the job's login", async (undo) => {
  const { distribution, logins, registries } = await openArea(undo);
  await logins.login("", me, never);
  const asked: unknown[] = [];
  const platform = { os: "linux", architecture: "arm", variant: "v7", osVersion: "1", osFeatures: ["x"] };
  registries.describe = (...call) => {
    asked.push(call.slice(0, 2));
    const descriptor = { mediaType: "type", digest: "sha256:1", sizeBytes: 5 };
    return Promise.resolve({ descriptor, platforms: asked.length === 1 ? [platform] : [] });
  };
  const inspect = async (name: string) => bodyOf(await distribution.inspect(request({ name })));
  assert.equal(await inspect("busybox"), {
    Descriptor: { mediaType: "type", digest: "sha256:1", size: 5 },
    Platforms: [{ architecture: "arm", os: "linux", "os.version": "1", "os.features": ["x"], variant: "v7" }],
  });
  assert.equal(asked[0], [
    { registry: hub, repository: "library/busybox", name: "busybox", tag: "latest", digest: undefined },
    me,
  ]);
  assert.is((await inspect("busybox:1") as { Platforms: unknown }).Platforms, null);
  const error = await rejection(distribution.inspect(request({ name: "BAD" })));
  assert.match(
    error.message,
    /^invalid reference format: repository name \(library\/BAD\) must be lowercase$/,
  );
});
