import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";
import { type Handle, serve } from "../support/http-server.ts";
import { layer, manifest, platform, registryOf } from "./manifests.ts";

const image = manifest([layer("bytes")]);
const credentials = { username: "u", password: "p" };

/** Wants a token that its own token server gives to everybody, or only to those it knows. */
function withTokens(handle: Handle, needsUser: boolean): Handle {
  return (request, response) => {
    if (request.url?.startsWith("/token")) {
      const isAllowed = !needsUser || request.headers.authorization;
      return void response.writeHead(isAllowed ? 200 : 401).end(JSON.stringify({ token: "good" }));
    }
    if (request.headers.authorization === "Bearer good") return handle(request, response);
    const challenge = `Bearer realm="http://${request.headers.host}/token",service="s"`;
    response.writeHead(401, { "www-authenticate": challenge }).end();
  };
}

function withPassword(handle: Handle): Handle {
  return (request, response) => {
    if (request.headers.authorization) return handle(request, response);
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  };
}

async function isAnonymous(undo: Undo, handle: Handle, as?: typeof credentials) {
  const registry = await serve(undo, handle);
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, as, never, nothingKnown);
  return source.anonymous;
}

test("says that anybody can have what was served without credentials", async (undo) => {
  assert.is(await isAnonymous(undo, registryOf(image)), true);
  assert.is(await isAnonymous(undo, withTokens(registryOf(image), false)), true);
  // The registry never asked for them.
  assert.is(await isAnonymous(undo, registryOf(image), credentials), true);
});

test("says that not everybody can have what was served to a name", async (undo) => {
  assert.is(await isAnonymous(undo, withPassword(registryOf(image)), credentials), false);
  assert.is(await isAnonymous(undo, withTokens(registryOf(image), true), credentials), false);
  assert.is(await isAnonymous(undo, withTokens(registryOf(image), false), credentials), false);
});

test("shows nobody credentials for the blobs of an image that was said to be public", async (undo) => {
  const seen: (string | undefined)[] = [];
  const registry = await serve(undo, (request, response) => {
    if (!request.url?.includes("/blobs/")) return registryOf(image)(request, response);
    seen.push(request.headers.authorization);
    withPassword((_, response) => response.end("bytes"))(request, response);
  });
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, credentials, never, nothingKnown);
  assert.is(source.anonymous, true);
  const error = await rejection(whole(source, source.layers[0]!));
  assert.match(error.message, /no basic auth credentials$/);
  assert.equal(seen, [undefined]);
});
