import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { HttpRegistries } from "../../plugins/registry/registries.ts";
import { buildImage, digestOf } from "../support/busybox-image.ts";
import { registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { assert, rejection, test } from "../support/test.ts";

const never = new AbortController().signal;
const platform = { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" };

function client(undo: Undo): HttpRegistries {
  const registries = new HttpRegistries({
    plainHttp: [],
    responseTimeoutMs: 5000,
    idleTimeoutMs: 5000,
    commitTimeoutMs: 5000,
  });
  undo.add("client", () => registries.close());
  return registries;
}

async function whole(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

test("resolves a tag and reads every blob, from the start and from the middle", async (undo) => {
  const { host, push } = await startRegistry(undo);
  const image = await buildImage({ files: { "/x": { content: "x" } } });
  const digest = await push(image, "team/app", "1");
  const registries = client(undo);
  const reference = { registry: host, repository: "team/app", tag: "1" };
  const resolved = await registries.resolve(reference, platform, undefined, never);
  const { source } = resolved;
  assert.is(resolved.digest, digest);
  assert.is(source.origin, `${host}/team/app`);
  assert.is(source.config.digest, image.id);
  for (const blob of [source.config, ...source.layers]) {
    const bytes = await whole(source.read(blob, 0, never));
    assert.is(digestOf(bytes), blob.digest);
    assert.ok(bytes.subarray(7).equals(await whole(source.read(blob, 7, never))));
  }
  assert.equal(await registries.tags(reference, undefined, never), ["1"]);
  const byDigest = { registry: host, repository: "team/app", digest };
  assert.is((await registries.resolve(byDigest, platform, undefined, never)).digest, digest);
});

test("says in Docker's words what the registry does not have", async (undo) => {
  const { host } = await startRegistry(undo);
  const reference = { registry: host, repository: "nothing", tag: "latest" };
  const error = await rejection(client(undo).resolve(reference, platform, undefined, never)) as ApiError;
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
    );
  const { source } = await resolve(registryPassword);
  assert.is((await whole(source.read(source.config, 0, never))).length, source.config.sizeBytes);
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
