/**
 * Takes a tar apart into files of the job's own directory. Names inside the archive are keys of a map and never
 * become paths of the host.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { extract, type Header } from "tar-stream";
import { ApiError, invalid } from "../../../core/support/errors.ts";
import { feed } from "./feed.ts";

/** A regular file of the archive. */
export interface SpooledFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** `sha256:…` of the bytes that arrived. */
  readonly digest: string;
  /** The first bytes, to tell what it is. */
  readonly start: Uint8Array;
}

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

  /** How many entries there are. */
  get size(): number {
    return this.#files.size + this.#links.size;
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

const mostEntries = 20_000;

/**
 * Spools a tar into an empty directory. Errors: `invalid` for what is not a tar or ends early, `too-large` beyond
 * the limit.
 */
export async function spool(
  tar: AsyncIterable<Uint8Array>,
  directory: string,
  limitBytes: number,
  signal: AbortSignal,
): Promise<Archive> {
  const archive = new Archive();
  const entries = extract();
  const feeding = feed(bounded(tar, limitBytes, signal), entries);
  try {
    for await (const entry of entries) {
      if (archive.size >= mostEntries) throw invalid(`the archive has more than ${mostEntries} entries`);
      const target = linkTarget(entry.header);
      if (target !== undefined) archive.addLink(entry.header.name, target);
      if (entry.header.type === "file" || entry.header.type === "contiguous-file") {
        archive.addFile(entry.header.name, await save(bytesOf(entry), join(directory, String(archive.size))));
      } else entry.resume();
    }
    await feeding.done;
  } catch (error) {
    throw feeding.failure()?.error ?? asInvalid(error);
  } finally {
    entries.destroy();
  }
  if (archive.size === 0) throw invalid("the archive is empty or not a tar");
  return archive;
}

async function* bounded(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    size += chunk.length;
    if (size > limitBytes) {
      throw new ApiError(
        "too-large",
        `the archive is larger than ${limitBytes} bytes; raise plugins.images.loadLimitBytes`,
      );
    }
    yield chunk;
  }
}

function linkTarget({ type, name, linkname }: Header): string | undefined {
  if (!linkname) return undefined;
  if (type === "link") return linkname;
  return type === "symlink" ? posix.join(posix.dirname(name), linkname) : undefined;
}

/** streamx streams iterate; their declarations do not say so. */
const bytesOf = (entry: unknown) => entry as AsyncIterable<Uint8Array>;

async function save(entry: AsyncIterable<Uint8Array>, path: string): Promise<SpooledFile> {
  const hash = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  let sizeBytes = 0;
  let start: Uint8Array = new Uint8Array();
  try {
    for await (const chunk of entry) {
      hash.update(chunk);
      if (start.length < 8) start = Buffer.concat([start, chunk.subarray(0, 8)]);
      sizeBytes += chunk.length;
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  return { path, sizeBytes, digest: `sha256:${hash.digest("hex")}`, start };
}

/** What tar-stream throws is about the bytes that were sent; what the file system throws is not. */
function asInvalid(error: unknown): unknown {
  if (error instanceof ApiError || (error as NodeJS.ErrnoException).code) return error;
  return invalid(`the archive is not a valid tar: ${(error as Error).message}`, error);
}
