/** Reading the JSON documents of an OCI layout, none of which is believed. */
import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, Document } from "../backend.ts";
import { metadataLimitBytes } from "./limits.ts";
import { type Archive, readSmall } from "./spool.ts";
import type { SpooledFile } from "./spool-file.ts";

/** A descriptor as it stands in OCI JSON. */
export interface OciDescriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Whatever stands there. */
  readonly platform?: unknown;
}

/** A manifest or index: its JSON, and its exact bytes. */
export interface OciDocument {
  readonly body: Readonly<Record<string, unknown>>;
  readonly document: Document;
}

/** A list of descriptors. Errors: `invalid` for anything else, naming where it stands. */
export function descriptors(raw: unknown, where: string): OciDescriptor[] {
  if (!Array.isArray(raw) || !raw.every(isDescriptor)) throw invalid(`${where} in the archive is malformed`);
  return raw;
}

function isDescriptor(each: unknown): each is OciDescriptor {
  const { digest, size, mediaType, annotations } = (each ?? {}) as Record<string, unknown>;
  return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest) &&
    typeof size === "number" && Number.isSafeInteger(size) && size >= 0 &&
    (mediaType === undefined || typeof mediaType === "string") &&
    isOptionalObject(annotations);
}

const isOptionalObject = (value: unknown) =>
  value === undefined || value === null || typeof value === "object";

/** A descriptor in this project's terms. */
export const plainDescriptor = ({ mediaType = "", digest, size }: OciDescriptor): Descriptor => ({
  mediaType,
  digest,
  sizeBytes: size,
});

/** Manifests and indexes of one archive may have so many bytes together, counted each time one is read. */
const mostDocumentBytes = 64 * 1024 * 1024;

/** The manifests and indexes of one layout. */
export class LayoutDocuments {
  readonly #archive: Archive;
  #readBytes = 0;

  constructor(archive: Archive) {
    this.#archive = archive;
  }

  /** The file that holds a blob; undefined when the archive lacks it. */
  file(digest: string): SpooledFile | undefined {
    return this.#archive.get(`blobs/${digest.replace(":", "/")}`);
  }

  /** Errors: `invalid` when it is missing, other bytes than its digest says, or no JSON object. */
  async read(entry: OciDescriptor): Promise<OciDocument> {
    const { digest } = entry;
    const file = this.file(digest);
    if (file?.digest !== digest) throw invalid(`the archive does not have the blob ${digest}`);
    this.#readBytes += file.sizeBytes;
    if (this.#readBytes > mostDocumentBytes) {
      throw invalid(`the archive's manifests have more than ${mostDocumentBytes} bytes together`);
    }
    const bytes = await readSmall(file, metadataLimitBytes);
    const body = parseObject(bytes, digest);
    const mediaType = typeof body.mediaType === "string" ? body.mediaType : entry.mediaType ?? typeOf(body);
    return { body, document: { mediaType, digest, sizeBytes: bytes.length, bytes } };
  }
}

function parseObject(bytes: Uint8Array, digest: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw invalid(`the manifest ${digest} is not JSON`, error);
  }
  if (typeof body !== "object" || body === null) throw invalid(`the manifest ${digest} is not an object`);
  return body as Record<string, unknown>;
}

/** OCI documents need not say what they are. */
const typeOf = (body: Readonly<Record<string, unknown>>) =>
  `application/vnd.oci.image.${body.manifests === undefined ? "manifest" : "index"}.v1+json`;
