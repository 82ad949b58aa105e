/** Brings one blob into a repository, and goes on after a break where the registry says it is. */
import { createHash, type Hash } from "node:crypto";
import { internal, invalid } from "../../core/support/errors.ts";
import type { Descriptor } from "../images/backend.ts";
import type { BlobUpload } from "../push/backend.ts";
import type { StreamedBody } from "./send-body.ts";
import { checkOffset, type UploadParts, UploadPlace } from "./upload-place.ts";
import { UploadRetries } from "./upload-retries.ts";

/** Blobs up to this size go out in one request with the digest, in bytes. */
const smallBytes = 4 * 1024 * 1024;
/** The size of pieces for a registry that finds a whole blob too large, at first and at least. */
const firstPieceBytes = 16 * 1024 * 1024;
const leastPieceBytes = 1024 * 1024;

type Uploaded = Pick<Descriptor, "digest" | "sizeBytes">;

/** Where an upload's requests go. */
export interface UploadTarget extends UploadParts {
  /** The repository's address for new uploads. */
  readonly uploads: URL;
  /** Whether the repository has a blob. */
  has(digest: string, signal: AbortSignal): Promise<boolean>;
}

/** One blob's upload. */
export class BlobUploader {
  readonly #target: UploadTarget;
  readonly #upload: BlobUpload;
  readonly #signal: AbortSignal;
  readonly #retries: UploadRetries;
  #place: UploadPlace | undefined;
  /** True while it is not known how far the registry is. */
  #isLost = false;
  #commitTried = false;
  /** The most that the registry ever had, and that was ever sent. */
  #most = 0;
  #sentBytes = 0;
  /** Where the bytes that are being sent have come to. */
  #at = 0;
  #ended = false;
  /** Undefined while the registry takes blobs as a whole. */
  #pieceBytes: number | undefined;
  readonly #hash: Hash = createHash("sha256");
  #hashedBytes = 0;
  #made: Uploaded | undefined;

  constructor(target: UploadTarget, upload: BlobUpload, signal: AbortSignal) {
    this.#target = target;
    this.#upload = upload;
    this.#signal = signal;
    this.#made = upload.blob;
    this.#retries = new UploadRetries(target.settings);
  }

  /** Resolves when the registry has the blob; an upload that fails is taken back. */
  async run(): Promise<Uploaded> {
    try {
      for (;;) {
        try {
          const uploaded = await this.#try();
          if (uploaded) return uploaded;
        } catch (error) {
          this.#isLost = true;
          await this.#retries.next(error, this.#signal, this.#upload.retrying);
        }
      }
    } catch (error) {
      await this.#place?.cancel();
      throw error;
    }
  }

  /** One way through, from wherever the upload is; undefined when it did not come to its end for once. */
  async #try(): Promise<Uploaded | undefined> {
    if (await this.#isThere()) return this.#made;
    const place = await this.#find();
    if (this.#isSmall()) return await this.#commit(place, this.#bodyFrom(place.offset));
    while (!this.#isAllSent(place)) if (!await this.#append(place)) return undefined;
    return await this.#commit(place, undefined);
  }

  /** After a commit without an answer the blob may be there, and its upload gone. */
  async #isThere(): Promise<boolean> {
    return this.#commitTried && this.#made !== undefined &&
      await this.#target.has(this.#made.digest, this.#signal);
  }

  async #find(): Promise<UploadPlace> {
    if (this.#place && this.#isLost && !await this.#place.locate(this.#sentBytes, this.#signal)) {
      await this.#place.cancel();
      this.#place = undefined;
    }
    this.#place ??= await UploadPlace.open(this.#target, this.#target.uploads, this.#signal);
    this.#isLost = false;
    this.#note(this.#place);
    return this.#place;
  }

  /** Sends all there is, or one piece; false when the way to go on has to be found out first. */
  async #append(place: UploadPlace): Promise<boolean> {
    const body = this.#bodyFrom(place.offset);
    const isWhole = place.offset === 0 && this.#pieceBytes === undefined;
    const appended = await place.append({ body, isWhole }, this.#signal);
    if (appended.outcome === "gone") throw internal(`${place.host} lost the upload`);
    if (appended.outcome === "too-large") {
      this.#cutSmaller(place, appended.refusal);
      this.#isLost = true;
      return false;
    }
    place.offset = appended.told === undefined
      ? this.#at
      : checkOffset(place.host, appended.told, this.#sentBytes);
    this.#note(place);
    if (place.offset < this.#at || !this.#cameToItsEnd()) {
      throw internal(`${place.host} took ${place.offset} bytes of ${this.#at} that were sent`);
    }
    return true;
  }

  #cutSmaller(place: UploadPlace, refusal: Error): void {
    const smaller = this.#pieceBytes === undefined ? firstPieceBytes : this.#pieceBytes / 4;
    const least = Math.max(leastPieceBytes, place.leastPieceBytes);
    // What is of unknown length cannot be cut: each piece says where it ends.
    if (!this.#upload.blob || (this.#pieceBytes ?? Infinity) <= least) throw refusal;
    this.#pieceBytes = Math.max(smaller, least);
  }

  async #commit(place: UploadPlace, body: StreamedBody | undefined): Promise<Uploaded> {
    const made = this.#made ??= { digest: `sha256:${this.#hash.digest("hex")}`, sizeBytes: this.#at };
    this.#commitTried = true;
    if (!await place.commit(made.digest, body, this.#signal)) throw internal(`${place.host} lost the upload`);
    return made;
  }

  #note({ offset }: UploadPlace): void {
    if (offset <= this.#most) return;
    this.#most = offset;
    this.#retries.progressed();
  }

  #isSmall(): boolean {
    const { blob } = this.#upload;
    return blob !== undefined && blob.sizeBytes <= smallBytes;
  }

  #isAllSent({ offset }: UploadPlace): boolean {
    const size = this.#made?.sizeBytes;
    return size === undefined ? this.#ended : offset === size;
  }

  /** A registry may answer before it was sent everything. */
  #cameToItsEnd(): boolean {
    return this.#ended || this.#pieceBytes !== undefined;
  }

  #bodyFrom(offset: number): StreamedBody {
    const size = this.#upload.blob?.sizeBytes;
    if (size === undefined) return { open: () => this.#bytes(offset, Infinity) };
    const end = Math.min(size, offset + (this.#pieceBytes ?? Infinity));
    return { sizeBytes: end - offset, open: () => this.#bytes(offset, end) };
  }

  async *#bytes(offset: number, end: number): AsyncIterable<Uint8Array> {
    this.#at = offset;
    this.#ended = false;
    const size = this.#upload.blob?.sizeBytes;
    for await (const whole of this.#upload.read(offset, this.#signal)) {
      const chunk = whole.subarray(0, end - this.#at);
      if (chunk.length < whole.length && end === size) throw longer(this.#upload);
      this.#at += chunk.length;
      this.#learn(chunk);
      this.#upload.observe(this.#at);
      yield chunk;
      if (this.#at === end && end !== size) return;
    }
    if (size !== undefined && this.#at < end) throw shorter(this.#upload, this.#at);
    this.#ended = true;
  }

  /** Bytes that are sent a second time are the same as before: read() promises it, and the registry checks. */
  #learn(chunk: Uint8Array): void {
    this.#sentBytes = Math.max(this.#sentBytes, this.#at);
    if (this.#upload.blob || this.#at <= this.#hashedBytes) return;
    this.#hash.update(chunk.subarray(chunk.length - (this.#at - this.#hashedBytes)));
    this.#hashedBytes = this.#at;
  }
}

const longer = ({ blob }: BlobUpload) => invalid(`${blob?.digest} is longer than its manifest says`);

const shorter = ({ blob }: BlobUpload, at: number) =>
  internal(`${blob?.digest} ended after ${at} of ${blob?.sizeBytes} bytes`);
