import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown } from "./client.ts";
import { serve } from "../support/http-server.ts";
import {
  answer,
  attestationEntry,
  digestOf,
  entry,
  index,
  layer,
  manifest,
  platform,
  registryOf,
} from "./manifests.ts";

async function refused(undo: Undo, body: string, { others = [] as string[], given = {} } = {}) {
  const asked: string[] = [];
  const registry = await serve(undo, registryOf(body, others, asked));
  const error = await rejection(
    client(undo, given).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.not.ok(asked.some((url) => url.includes("/blobs/")), "something was downloaded");
  return error.message;
}

test("refuses more bytes than the setting allows before it downloads one", async (undo) => {
  const large = layer("large", { size: 200_000_000_000 });
  const message = "image has 200000000002 bytes as its manifest tells; " +
    "plugins.registry.imageLimitBytes allows 107374182400";
  assert.is(await refused(undo, manifest([large])), message);
  const given = { imageLimitBytes: 10_000 };
  const many = manifest([layer("a", { size: 6000 }), layer("b", { size: 6000 })]);
  assert.match(await refused(undo, many, { given }), /^image has 12002 bytes .* allows 10000$/);
});

test("counts what attestations claim with the image", async (undo) => {
  const image = manifest();
  const attestation = manifest([layer("large", { size: 20_000 })]);
  const body = index([entry(image), attestationEntry(attestation, image)]);
  const given = { imageLimitBytes: 10_000 };
  assert.match(await refused(undo, body, { others: [image, attestation], given }), /allows 10000$/);
});

test("refuses a manifest of 10,000 layers", async (undo) => {
  const layers = Array.from({ length: 10_000 }, () => layer("x"));
  assert.is(await refused(undo, manifest(layers)), "manifest has 10000 layers; at most 500");
});

test("refuses layers that lie outside the registry, by name", async (undo) => {
  const types = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
  ];
  for (const mediaType of types) {
    const foreign = layer("base", { mediaType, urls: ["https://elsewhere.test/base"] });
    assert.is(
      await refused(undo, manifest([foreign])),
      `layer ${
        digestOf("base")
      } is ${mediaType}: its bytes lie outside the registry, and are not fetched from there`,
    );
  }
});

test("asks the registry for a layer that gives other addresses too, and takes no bytes from the manifest", async (undo) => {
  const asked: string[] = [];
  const body = manifest([layer("real", { urls: ["http://127.0.0.1:1/x"], data: btoa("fake") })]);
  const registry = await serve(undo, (request, response) => {
    if (!request.url?.includes("/blobs/")) return registryOf(body, [], asked)(request, response);
    asked.push(request.url);
    response.end("real");
  });
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.read(source.layers[0]!, 0, never)) chunks.push(chunk);
  assert.is(Buffer.concat(chunks).toString(), "real");
  assert.is(asked.at(-1), `/v2/app/blobs/${digestOf("real")}`);
});

test("refuses what is no image in Docker's words", async (undo) => {
  const chart = "application/vnd.cncf.helm.config.v1+json";
  const config = { mediaType: chart, digest: digestOf("{}"), size: 2 };
  assert.is(await refused(undo, manifest([], { config })), `unsupported media type ${chart}`);
  const empty = "application/vnd.oci.empty.v1+json";
  assert.is(
    await refused(undo, manifest([], { artifactType: "a/b", config: { ...config, mediaType: empty } })),
    `unsupported media type ${empty}`,
  );
});

test("refuses manifests of a type that it does not know", async (undo) => {
  for (const type of ["application/weird", "text/html", ""]) {
    const registry = await serve(undo, answer("{}", type));
    const error = await rejection(
      client(undo).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
    );
    assert.is(error.message, `unsupported manifest media type ${JSON.stringify(type)}`);
  }
});
