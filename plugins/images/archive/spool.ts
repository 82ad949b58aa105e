/**
 * Takes a tar apart into files of the job's own directory. Names inside the archive are keys of a map and never
 * become paths of the host.
 */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { extract, type Header } from "tar-stream";
import { ApiError, invalid, messageOf } from "../../../core/support/errors.ts";
import { feed } from "./feed.ts";
import { metadataLimitBytes, mostEntries } from "./limits.ts";
import type { SpoolShare } from "./spool-budget.ts";
import { type SpooledFile, writeSpooled } from "./spool-file.ts";
import type { SpoolSpace } from "./spools.ts";

/** The files of an archive by the names it gives them. */
export class Archive {
  readonly #files = new Map<string, SpooledFile>();
  readonly #links = new Map<string, string>();

  addFile(name: string, file: SpooledFile): void {
    this.#files.set(plainName(name), file);
  }

  addLink(name: string, target: string): void {
    this.#links.set(plainName(name), plainName(target));
  }

  get isEmpty(): boolean {
    return this.#files.size + this.#links.size === 0;
  }

  /** Follows links within the archive, a few steps and no further. */
  get(name: string): SpooledFile | undefined {
    let at = plainName(name);
    for (let steps = 0; steps < 8; steps++) {
      const file = this.#files.get(at);
      if (file) return file;
      const target = this.#links.get(at);
      if (target === undefined) return undefined;
      at = target;
    }
    return undefined;
  }

  /** A small JSON file. Errors: `invalid` when it is missing, too large or not JSON. */
  async json(name: string, limitBytes: number): Promise<unknown> {
    const file = this.get(name);
    if (!file) throw invalid(`the archive has no ${name.slice(0, 200)}`);
    try {
      return JSON.parse(new TextDecoder().decode(await readSmall(file, limitBytes)));
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw invalid(`${name.slice(0, 200)} in the archive is not JSON`, error);
    }
  }
}

/** Reads a whole file that must not be larger than the limit. */
export async function readSmall(file: SpooledFile, limitBytes: number): Promise<Uint8Array> {
  if (file.sizeBytes > limitBytes) throw invalid(`a file of the archive is larger than ${limitBytes} bytes`);
  return await readFile(file.path);
}

/** Reads a file from an offset on. */
export const readFrom = (file: SpooledFile, offset: number): AsyncIterable<Uint8Array> =>
  createReadStream(file.path, { start: offset, highWaterMark: 1024 * 1024 });

/** Leading slashes, `.` and `..` mean nothing inside a map. */
const plainName = (name: string) => posix.normalize(`/${name}`).slice(1);

/**
 * Spools a tar. Of two entries with one name the later counts, as when a tar is unpacked. Errors: `invalid` for what
 * is not a tar, ends early or has too many entries; `too-large` beyond the share; the signal's reason.
 */
export async function spool(
  tar: AsyncIterable<Uint8Array>,
  { directory, onDisk }: Pick<SpoolSpace, "directory" | "onDisk">,
  signal: AbortSignal,
): Promise<Archive> {
  const archive = new Archive();
  const entries = extract();
  const feeding = feed(counted(tar, onDisk, signal), entries);
  let count = 0;
  try {
    for await (const entry of entries) {
      if (++count > mostEntries) throw invalid(`the archive has more than ${mostEntries} entries`);
      await takeEntry(archive, entry.header, bytesOf(entry), join(directory, String(count)));
    }
    await feeding.done;
  } catch (error) {
    throw feeding.failure()?.error ?? asInvalid(error);
  } finally {
    entries.destroy();
  }
  if (archive.isEmpty) throw invalid("the archive is empty or not a tar");
  return archive;
}

/** Chunks as they come, counted before anybody uses them. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  share: SpoolShare,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    share.take(chunk.length);
    yield chunk;
  }
}

async function takeEntry(
  archive: Archive,
  header: Header,
  bytes: AsyncIterable<Uint8Array>,
  path: string,
): Promise<void> {
  const { name, type } = header;
  refuseSparse(header);
  const target = linkTarget(header);
  if (target !== undefined) archive.addLink(name, target);
  if (type === "file" || type === "contiguous-file") {
    archive.addFile(name, await writeSpooled(bytes, path, claimedDigest(header)));
  } // What else there may be, devices for one, means nothing in an image's archive.
  else for await (const _ of bytes);
}

/**
 * A layout names blobs by their digests. Small ones are hashed here, as they may be manifests; a large one can only be a
 * layer, and a layer is checked by the store while it reads it.
 */
function claimedDigest({ name, size }: Header): string | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(plainName(name))?.[1];
  return hex !== undefined && (size ?? 0) > metadataLimitBytes ? `sha256:${hex}` : undefined;
}

/** Their bytes are not the file's, and only a reader who knows the format can tell. */
function refuseSparse({ name, type, pax }: Header): void {
  const isSparse = (type as string | null) === null || Object.keys(pax ?? {}).some(isSparseKey);
  if (isSparse) {
    throw invalid(
      `${name.slice(0, 200)} in the archive is a sparse file or of an unknown type; write it as a plain file`,
    );
  }
}

const isSparseKey = (key: string) => key.startsWith("GNU.sparse.");

function linkTarget({ type, name, linkname }: Header): string | undefined {
  if (!linkname) return undefined;
  if (type === "link") return linkname;
  return type === "symlink" ? posix.join(posix.dirname(name), linkname) : undefined;
}

/** streamx streams iterate; their declarations do not say so. */
const bytesOf = (entry: unknown) => entry as AsyncIterable<Uint8Array>;

/** What tar-stream throws is about the bytes that were sent; what the file system throws, and only that, names a call. */
function asInvalid(error: unknown): unknown {
  if (error instanceof ApiError || (error as NodeJS.ErrnoException).syscall) return error;
  const said = messageOf(error);
  // An entry that the end of the archive cut off is told so in the stream library's words, or in no words.
  const why = /destroyed|closed/i.test(said) ? "it ends early" : said;
  return invalid(`the archive is not a valid tar: ${why}`, error);
}
