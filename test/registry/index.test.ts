import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";
import { serve } from "../support/http-server.ts";
import {
  answer,
  attestationEntry,
  digestOf,
  entry,
  index,
  indexType,
  layer,
  manifest,
  platform,
  registryOf,
} from "./manifests.ts";

const image = manifest([layer("amd64")]);
const attestation = manifest([layer("provenance", { mediaType: "application/vnd.in-toto+json" })]);
const otherAttestation = manifest([layer("of another", { mediaType: "application/vnd.in-toto+json" })]);

test("follows an index to the platform's manifest and keeps the index, byte for byte", async (undo) => {
  const body = index([entry(manifest(), { platform: { os: "linux", architecture: "arm64" } }), entry(image)]);
  const registry = await serve(undo, registryOf(body, [image]));
  const { source, digest } = await client(undo)
    .resolve({ registry, repository: "app", tag: "1" }, platform, undefined, never, nothingKnown);
  assert.is(source.manifest.digest, digestOf(image));
  assert.is(digest, digestOf(body));
  assert.equal(
    [source.index?.digest, source.index?.mediaType, source.index?.sizeBytes],
    [digestOf(body), indexType, body.length],
  );
  assert.is(Buffer.from(source.index?.bytes ?? []).toString(), body);
});

test("has no index for an image that has none", async (undo) => {
  const registry = await serve(undo, registryOf(image));
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  assert.equal([source.index, source.attestations], [undefined, undefined]);
});

test("refuses another manifest than the index lists", async (undo) => {
  const body = index([entry(image)]);
  const registry = await serve(undo, (request, response) => {
    const byDigest = request.url?.includes("sha256:");
    answer(byDigest ? `${image} ` : body, byDigest ? undefined : indexType)(request, response);
  });
  const error = await rejection(
    client(undo).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.match(error.message, /^manifest verification failed for digest/);
});

test("refuses an index within an index", async (undo) => {
  const inner = index([entry(image)]);
  const registry = await serve(undo, registryOf(index([entry(inner, { mediaType: indexType })]), [inner]));
  const error = await rejection(
    client(undo).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.is(error.message, "the image's index lists another index for the platform");
});

test("brings the attestations of the chosen manifest and of no other", async (undo) => {
  const body = index([
    entry(image),
    attestationEntry(attestation, image),
    attestationEntry(otherAttestation, manifest()),
  ]);
  const blob = "provenance";
  const registry = await serve(undo, (request, response) => {
    if (request.url?.includes("/blobs/")) return void response.end(blob);
    registryOf(body, [image, attestation, otherAttestation])(request, response);
  });
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  assert.equal(source.attestations?.map((each) => each.manifest.digest), [digestOf(attestation)]);
  const layers = source.attestations?.[0]?.layers ?? [];
  assert.equal(layers.map(({ digest }) => digest), [digestOf(blob)]);
  assert.is((await whole(source, layers[0]!)).toString(), blob);
});

test("never takes an attestation for an image, whatever platform it names", async (undo) => {
  const disguised = { ...attestationEntry(attestation, image), platform };
  const registry = await serve(undo, registryOf(index([disguised, entry(image)]), [image, attestation]));
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  assert.is(source.manifest.digest, digestOf(image));
});

test("does without attestations that were not copied with the image", async (undo) => {
  const body = index([entry(image), attestationEntry(attestation, image)]);
  const registry = await serve(undo, registryOf(body, [image]));
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  assert.is(source.attestations, undefined);
});

test("refuses an index with attestations without end", async (undo) => {
  const entries = Array.from({ length: 9 }, () => attestationEntry(attestation, image));
  const registry = await serve(undo, registryOf(index([entry(image), ...entries]), [image, attestation]));
  const error = await rejection(
    client(undo).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.is(error.message, "the index lists 9 attestations for one image; at most 8");
});

test("asks only for the index when the rest is known", async (undo) => {
  const body = index([entry(image), attestationEntry(attestation, image)]);
  const asked: string[] = [];
  const registry = await serve(undo, registryOf(body, [image, attestation], asked));
  const origins: string[] = [];
  const known = (origin: string, digest: string) => {
    origins.push(origin);
    const bytes = [image, attestation].find((each) => digestOf(each) === digest);
    return Promise.resolve(bytes === undefined ? undefined : Buffer.from(bytes));
  };
  const { source } = await client(undo)
    .resolve({ registry, repository: "team/app", tag: "1" }, platform, undefined, never, known);
  assert.equal(asked, ["/v2/team/app/manifests/1"]);
  assert.equal(origins, [`${registry}/team/app`, `${registry}/team/app`]);
  assert.is(Buffer.from(source.manifest.bytes).toString(), image);
  assert.is(source.attestations?.length, 1);
});

test("asks the registry when what is known is something else", async (undo) => {
  const asked: string[] = [];
  const registry = await serve(undo, registryOf(index([entry(image)]), [image], asked));
  const known = () => Promise.resolve(Buffer.from(manifest()));
  const { source } = await client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, never, known);
  assert.is(source.manifest.digest, digestOf(image));
  assert.is(asked.length, 2);
});

test("asks the registry for what was named, known or not: it decides who may have it", async (undo) => {
  const asked: string[] = [];
  const registry = await serve(undo, registryOf(image, [], asked));
  const known = () => Promise.resolve(Buffer.from(image));
  await client(undo)
    .resolve({ registry, repository: "app", digest: digestOf(image) }, platform, undefined, never, known);
  assert.equal(asked, [`/v2/app/manifests/${digestOf(image)}`]);
});
