/** Manifests and indexes as registries serve them, and a registry that serves them. */
import { createHash } from "node:crypto";
import type { Handle } from "../support/http-server.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";
export const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";

export const platform = { os: "linux", architecture: "amd64" };

export const digestOf = (bytes: string | Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** An image's manifest; fields given replace the usual ones. */
export const manifest = (layers: object[] = [], fields: object = {}): string =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf("{}"), size: 2 },
    layers,
    ...fields,
  });

/** A layer's descriptor. */
export const layer = (content: string, fields: object = {}): object => ({
  mediaType: layerType,
  digest: digestOf(content),
  size: content.length,
  ...fields,
});

/** An index's entry for a manifest. */
export const entry = (body: string, fields: object = {}): object => ({
  mediaType: manifestType,
  digest: digestOf(body),
  size: body.length,
  platform,
  ...fields,
});

/** The entry of an attestation of a manifest. */
export const attestationEntry = (body: string, of: string): object =>
  entry(body, {
    platform: { os: "unknown", architecture: "unknown" },
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": digestOf(of),
    },
  });

export const index = (entries: object[]): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: entries });

/** Answers every request with this. */
export const answer = (body: string, type = manifestType, headers = {}): Handle => (_, response) => {
  response.writeHead(200, { "content-type": type, ...headers }).end(body);
};

/** A registry with one repository: `tagged` under every tag, the rest by digest. Notes the paths it is asked for. */
export function registryOf(tagged: string, others: readonly string[] = [], asked: string[] = []): Handle {
  const byDigest = new Map([tagged, ...others].map((body) => [digestOf(body), body]));
  return (request, response) => {
    asked.push(request.url ?? "");
    const name = (request.url ?? "").split("/").at(-1) ?? "";
    const body = name.startsWith("sha256:") ? byDigest.get(name) : tagged;
    if (body === undefined) return void response.writeHead(404).end();
    const type = JSON.parse(body).mediaType ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type }).end(body);
  };
}
