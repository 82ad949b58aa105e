import { createHash } from "node:crypto";
import { parseChallenges } from "../../plugins/registry/challenge.ts";
import { type IndexEntry, parseManifest } from "../../plugins/registry/manifest.ts";
import { selectPlatform } from "../../plugins/registry/platform.ts";
import { assert, test } from "../support/test.ts";

const entry = (text: string): IndexEntry => {
  const [os = "", architecture = "", variant] = text.split("/");
  const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  return { mediaType: "x", digest, sizeBytes: 1, platform: { os, architecture, variant } };
};

function chosen(offered: string[], wanted: string): string {
  const { os, architecture, variant } = entry(wanted).platform as {
    os: string;
    architecture: string;
    variant?: string;
  };
  const entries = offered.map(entry);
  const found = selectPlatform(entries, { os, architecture, variant });
  return offered[entries.indexOf(found)] ?? "";
}

test("chooses the manifest closest to the platform", () => {
  assert.is(chosen(["linux/arm64/v8", "linux/amd64"], "linux/amd64"), "linux/amd64");
  assert.is(chosen(["linux/arm64/v8", "linux/amd64"], "linux/arm64"), "linux/arm64/v8");
  assert.is(chosen(["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], "linux/arm"), "linux/arm/v7");
  assert.is(chosen(["linux/arm/v5", "linux/arm/v7"], "linux/arm/v6"), "linux/arm/v5");
  assert.is(chosen(["linux/amd64/v3", "linux/amd64"], "linux/amd64"), "linux/amd64");
});

test("names the platform that an image is not made for", () => {
  assert.throws(
    () => chosen(["linux/amd64", "unknown/unknown"], "linux/arm64"),
    /^no matching manifest for linux\/arm64 in the manifest list entries$/,
  );
  assert.throws(() => chosen(["linux/amd64/v3"], "linux/amd64"), /no matching manifest/);
});

test("reads challenges with quotes, commas and several schemes", () => {
  assert.equal(parseChallenges('Bearer realm="https://a/t?x=1,2",service="s", Basic realm="b"'), [
    { scheme: "bearer", parameters: { realm: "https://a/t?x=1,2", service: "s" } },
    { scheme: "basic", parameters: { realm: "b" } },
  ]);
  assert.equal(parseChallenges(""), []);
  assert.equal(parseChallenges("Negotiate"), [{ scheme: "negotiate", parameters: {} }]);
});

test("stays quick on a challenge made to be slow", () => {
  const started = Date.now();
  parseChallenges(`Basic ${'a="\\'.repeat(100_000)}`);
  assert.ok(Date.now() - started < 500);
});

test("refuses schema 1 and media types that disagree", () => {
  const bytes = (body: object) => new TextEncoder().encode(JSON.stringify(body));
  assert.throws(() => parseManifest(bytes({ schemaVersion: 1 }), undefined), /schema 1 is not supported/);
  assert.throws(
    () => parseManifest(bytes({ schemaVersion: 2 }), "text/html"),
    /unsupported manifest media type/,
  );
  assert.throws(
    () =>
      parseManifest(
        bytes({ mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] }),
        "application/vnd.oci.image.manifest.v1+json",
      ),
    /says it is .*index.* and was served as .*manifest/,
  );
});
