import type { ApiError } from "../../core/support/errors.ts";
import { buildImage, digestOf } from "../support/busybox-image.ts";
import { registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";

const platform = { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" };

test("resolves a tag and reads every blob, from the start and from the middle", async (undo) => {
  const { host, push } = await startRegistry(undo);
  const image = await buildImage({ files: { "/x": { content: "x" } } });
  const digest = await push(image, "team/app", "1");
  const registries = client(undo);
  const reference = { registry: host, repository: "team/app", tag: "1" };
  const resolved = await registries.resolve(reference, platform, undefined, never, nothingKnown);
  const { source } = resolved;
  assert.is(resolved.digest, digest);
  assert.is(source.origin, `${host}/team/app`);
  assert.is(source.config.digest, image.id);
  for (const blob of [source.config, ...source.layers]) {
    const bytes = await whole(source, blob);
    assert.is(digestOf(bytes), blob.digest);
    assert.ok(bytes.subarray(7).equals(await whole(source, blob, 7)));
  }
  assert.equal(await registries.tags(reference, undefined, never), ["1"]);
  const byDigest = { registry: host, repository: "team/app", digest };
  assert.is((await registries.resolve(byDigest, platform, undefined, never, nothingKnown)).digest, digest);
});

test("says in Docker's words what the registry does not have", async (undo) => {
  const { host } = await startRegistry(undo);
  const reference = { registry: host, repository: "nothing", tag: "latest" };
  const error = await rejection(
    client(undo).resolve(reference, platform, undefined, never, nothingKnown),
  ) as ApiError;
  assert.is(error.kind, "not-found");
  assert.is(
    error.message,
    `manifest for ${host}/nothing:latest not found: manifest unknown: manifest unknown`,
  );
});

test("authenticates with user name and password when asked to", async (undo) => {
  const { host, push } = await startRegistry(undo, { auth: true });
  await push(await buildImage(), "app", "1");
  const registries = client(undo);
  const resolve = (password?: string) =>
    registries.resolve(
      { registry: host, repository: "app", tag: "1" },
      platform,
      password === undefined ? undefined : { username: registryUser, password },
      never,
      nothingKnown,
    );
  const { source } = await resolve(registryPassword);
  assert.is((await whole(source, source.config)).length, source.config.sizeBytes);
  const wrong = await rejection(resolve("wrong")) as ApiError;
  assert.equal([wrong.kind, wrong.message], ["unauthorized", "unauthorized: authentication required"]);
  const login = (password: string, address = host) =>
    registries.login(address, { username: registryUser, password }, never);
  await login(registryPassword);
  await login(registryPassword, `http://${host}/v2/`);
  const refused = await rejection(login("wrong")) as ApiError;
  assert.equal([refused.kind, refused.message], [
    "unauthorized",
    `login attempt to http://${host}/v2/ failed with status: 401 Unauthorized`,
  ]);
  const none = await rejection(resolve()) as ApiError;
  assert.equal([none.kind, none.message], [
    "internal",
    `Get "http://${host}/v2/app/manifests/1": no basic auth credentials`,
  ]);
});
