import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";
import { type Handle, serve } from "../support/http-server.ts";
import { entry, index, layer, manifest, platform, registryOf } from "./manifests.ts";

const image = manifest([layer("bytes")]);
const credentials = { username: "u", password: "p" };

/** A registry with mirrors; `seen` notes every request with what it showed. */
async function setUp(undo: Undo, mirrors: Handle[], own: Handle) {
  const seen: string[] = [];
  const noted = (name: string, handle: Handle): Handle => (request, response) => {
    seen.push(`${name} ${request.method} ${request.headers.authorization ?? "-"}`);
    handle(request, response);
  };
  const hosts: string[] = [];
  for (const [at, handle] of mirrors.entries()) hosts.push(await serve(undo, noted(`mirror ${at}`, handle)));
  const registry = await serve(undo, noted("own", own));
  const settings = { hosts: [{ host: registry, mirrors: hosts.map((host) => `http://${host}`) }] };
  return { seen, mirrors: hosts, registry, settings };
}

const unavailable: Handle = (_, response) => void response.writeHead(503).end();

const wantsPassword: Handle = (request, response) => {
  if (request.headers.authorization) return registryOf(image)(request, response);
  response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
};

test("asks a mirror first, and says that the mirror served it", async (undo) => {
  const blobs: Handle = (request, response) =>
    request.url?.includes("/blobs/") ? void response.end("bytes") : registryOf(image)(request, response);
  const { seen, mirrors, registry, settings } = await setUp(undo, [blobs], unavailable);
  const { source } = await client(undo, settings)
    .resolve({ registry, repository: "app" }, platform, credentials, never, nothingKnown);
  assert.is(source.origin, `${mirrors[0]}/app`);
  assert.is((await whole(source, source.layers[0]!)).toString(), "bytes");
  assert.equal(seen, ["mirror 0 GET -", "mirror 0 GET -"]);
});

test("asks the next one at once when a mirror fails, and at last the registry itself", async (undo) => {
  const { seen, registry, settings } = await setUp(undo, [unavailable, unavailable], registryOf(image));
  const warned: object[] = [];
  const log = { ...silent, warn: (fields: object) => void warned.push(fields) };
  const { source } = await client(undo, settings, { log })
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  assert.is(source.origin, `${registry}/app`);
  assert.equal(seen, ["mirror 0 GET -", "mirror 1 GET -", "own GET -"]);
  assert.is(warned.length, 2);
});

test("never shows a mirror the job's credentials, even when it asks for them", async (undo) => {
  const { seen, registry, settings } = await setUp(undo, [wantsPassword], wantsPassword);
  const { source } = await client(undo, settings)
    .resolve({ registry, repository: "app" }, platform, credentials, never, nothingKnown);
  assert.is(source.anonymous, false);
  assert.equal(seen, ["mirror 0 GET -", "own GET -", "own GET Basic dTpw"]);
});

test("believes a mirror no more than anybody else", async (undo) => {
  const lying: Handle = (_, response) => void response.end("{}");
  const { registry, settings } = await setUp(undo, [lying], registryOf(image));
  const { source } = await client(undo, settings)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  assert.is(source.origin, `${registry}/app`);
});

test("asks for what is known in the name of the mirror that served the index", async (undo) => {
  const { mirrors, registry, settings } = await setUp(
    undo,
    [registryOf(index([entry(image)]), [image])],
    unavailable,
  );
  const origins: string[] = [];
  const known = (origin: string) => Promise.resolve(void origins.push(origin));
  await client(undo, settings).resolve({ registry, repository: "app" }, platform, undefined, never, known);
  assert.equal(origins, [`${mirrors[0]}/app`]);
});

test("says what the registry itself says when all fail", async (undo) => {
  const missing: Handle = (_, response) => void response.writeHead(404).end();
  const { registry, settings } = await setUp(undo, [unavailable], missing);
  const error = await rejection(
    client(undo, settings).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.match(error.message, /^manifest for .*\/app:latest not found/);
});

test("shows a login to the registry itself and to no mirror", async (undo) => {
  const { seen, registry, settings } = await setUp(undo, [wantsPassword], wantsPassword);
  await client(undo, settings).login(registry, credentials, never);
  assert.equal(seen, ["own GET -", "own GET Basic dTpw"]);
});
