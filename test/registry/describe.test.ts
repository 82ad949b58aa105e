import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never } from "./client.ts";
import { type Handle, serve } from "../support/http-server.ts";
import {
  attestationEntry,
  digestOf,
  entry,
  index,
  indexType,
  manifest,
  manifestType,
  registryOf,
} from "./manifests.ts";

const config = JSON.stringify({ os: "linux", architecture: "arm", variant: "v7", "os.version": "1" });
const configType = "application/vnd.oci.image.config.v1+json";
const image = manifest([], {
  config: { mediaType: configType, digest: digestOf(config), size: config.length },
});

const withBlob = (handle: Handle, blob: string): Handle => (request, response) =>
  request.url?.includes("/blobs/") ? void response.end(blob) : handle(request, response);

async function describe(undo: Undo, handle: Handle) {
  const registry = await serve(undo, handle);
  return await client(undo).describe({ registry, repository: "app", tag: "1" }, undefined, never);
}

async function refused(undo: Undo, status: number, body: unknown = {}, headers = {}) {
  const error = await rejection(describe(undo, (_, response) => {
    response.writeHead(status, headers).end(JSON.stringify(body));
  })) as ApiError;
  return [error.status, error.message];
}

test("tells an image's descriptor, and the platform that its configuration names", async (undo) => {
  assert.equal(await describe(undo, withBlob(registryOf(image), config)), {
    descriptor: { mediaType: manifestType, digest: digestOf(image), sizeBytes: image.length },
    platforms: [{ os: "linux", architecture: "arm", variant: "v7", osVersion: "1", osFeatures: undefined }],
  });
});

test("tells all platforms of an index, attestations' too as Docker does", async (undo) => {
  const body = index([entry(image), attestationEntry(manifest(), image)]);
  const { descriptor, platforms } = await describe(undo, registryOf(body));
  assert.equal([descriptor.mediaType, descriptor.digest], [indexType, digestOf(body)]);
  assert.equal(
    platforms.map(({ os, architecture }) => `${os}/${architecture}`),
    ["linux/amd64", "unknown/unknown"],
  );
});

test("tells the descriptor of what is no image, without a platform", async (undo) => {
  const chart = manifest([], {
    config: { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: digestOf("{}"), size: 2 },
  });
  const { descriptor, platforms } = await describe(undo, withBlob(registryOf(chart), "{}"));
  assert.equal([descriptor.digest, platforms], [digestOf(chart), []]);
});

test("says what the registry says, without more words, as Docker does", async (undo) => {
  const errors = (code: string, message: string) => ({ errors: [{ code, message }] });
  assert.equal(await refused(undo, 404, errors("MANIFEST_UNKNOWN", "manifest unknown")), [
    404,
    "manifest unknown: manifest unknown",
  ]);
  assert.equal(await refused(undo, 404, errors("NAME_UNKNOWN", "repository name not known to registry")), [
    404,
    "name unknown: repository name not known to registry",
  ]);
  assert.equal(await refused(undo, 403, errors("DENIED", "no way")), [403, "denied: no way"]);
  assert.equal(
    await refused(undo, 401, errors("UNAUTHORIZED", "nope"), { "www-authenticate": "Garbage,,=" }),
    [
      401,
      "unauthorized: nope",
    ],
  );
  assert.equal(await refused(undo, 500), [500, "received unexpected HTTP status: 500 Internal Server Error"]);
});
