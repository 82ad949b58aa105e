/** Reading manifests and indexes, and trusting neither. Source: OCI image spec; Docker image manifest V2, schema 2. */
import { invalid } from "../../core/support/errors.ts";
import type { Descriptor, RemotePlatform } from "../images/backend.ts";

const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

const indexTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** What a request for a manifest accepts. */
export const acceptedTypes = [...manifestTypes, ...indexTypes].join(", ");

/** A manifest is larger than this only to hurt, in bytes. The distribution spec's own recommendation. */
export const manifestLimitBytes = 4 * 1024 * 1024;

/** An entry of an index. */
export interface IndexEntry extends Descriptor {
  readonly platform?: Partial<RemotePlatform>;
  /** Set for an attestation: the digest of the manifest it speaks of. Source: BuildKit, "Image Attestation Storage". */
  readonly attestationOf?: string;
}

export type ParsedManifest =
  | {
    readonly kind: "manifest";
    readonly mediaType: string;
    readonly config: Descriptor;
    readonly layers: Descriptor[];
  }
  | { readonly kind: "index"; readonly mediaType: string; readonly entries: IndexEntry[] };

type Fields = Record<string, unknown>;

/**
 * Reads a manifest or an index.
 *
 * @param contentType the media type it was served or listed with; the body's own, when it has one, must agree
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const body = parseObject(bytes);
  const served = contentType?.split(";")[0]?.trim().toLowerCase();
  const known = [...manifestTypes, ...indexTypes];
  const mediaType = typeof body.mediaType === "string" ? body.mediaType : served ?? "";
  if (body.schemaVersion === 1) {
    throw invalid("Docker image manifest version 2, schema 1 is not supported; push the image again");
  }
  if (!known.includes(mediaType)) {
    throw invalid(`unsupported manifest media type ${JSON.stringify(mediaType).slice(0, 200)}`);
  }
  if (served && known.includes(served) && served !== mediaType) {
    throw invalid(`manifest says it is ${mediaType} and was served as ${served}`);
  }
  // A body that can be read both ways means different images to different readers.
  if (body.manifests !== undefined && (body.layers !== undefined || body.config !== undefined)) {
    throw invalid("manifest is an index and an image at once");
  }
  return indexTypes.includes(mediaType) ? readIndex(body, mediaType) : readImage(body, mediaType);
}

function readImage(body: Fields, mediaType: string): ParsedManifest {
  const config = descriptor(body.config, "config");
  const layers = list(body.layers, "layers").map((each, at) => descriptor(each, `layers[${at}]`));
  return { kind: "manifest", mediaType, config, layers };
}

function readIndex(body: Fields, mediaType: string): ParsedManifest {
  const entries = list(body.manifests, "manifests").map((each, at) => ({
    ...descriptor(each, `manifests[${at}]`),
    platform: platformOf((each as Fields).platform),
    attestationOf: attestationOf((each as Fields).annotations),
  }));
  return { kind: "index", mediaType, entries };
}

function attestationOf(raw: unknown): string | undefined {
  const annotations = (typeof raw === "object" ? raw : undefined) as Fields | null | undefined;
  if (annotations?.["vnd.docker.reference.type"] !== "attestation-manifest") return undefined;
  // Without a digest it is still none to choose.
  return String(annotations["vnd.docker.reference.digest"] ?? "");
}

/** The platform in an entry of an index or in an image configuration; undefined when there is none. */
export function platformOf(raw: unknown): Partial<RemotePlatform> | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const { os, architecture, variant, "os.version": osVersion, "os.features": features } = raw as Fields;
  const text = (value: unknown) => typeof value === "string" ? value : undefined;
  return {
    os: text(os),
    architecture: text(architecture),
    variant: text(variant),
    osVersion: text(osVersion),
    osFeatures: Array.isArray(features) ? features.filter((each) => typeof each === "string") : undefined,
  };
}

function descriptor(raw: unknown, where: string): Descriptor {
  const { mediaType, digest, size } = (typeof raw === "object" && raw !== null ? raw : {}) as Fields;
  if (typeof mediaType !== "string" || mediaType.length > 255) {
    throw invalid(`manifest: ${where} has no media type`);
  }
  if (typeof digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw invalid(`manifest: ${where} has no sha256 digest`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`manifest: ${where} has no size`);
  }
  return { mediaType, digest, sizeBytes: size };
}

function list(raw: unknown, where: string): unknown[] {
  if (!Array.isArray(raw)) throw invalid(`manifest: ${where} is not a list`);
  return raw;
}

function parseObject(bytes: Uint8Array): Fields {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid("the registry sent a manifest that is not JSON", error);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid("the registry sent a manifest that is not an object");
  }
  return body as Fields;
}
