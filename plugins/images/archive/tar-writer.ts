import { pack } from "tar-stream";
import { feed } from "./feed.ts";

/** One entry of a tar that is being written. */
export interface TarEntry {
  /** A directory's name ends in a slash. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly mtime: Date;
  /** Exactly `sizeBytes` bytes. Called once, when the entry's turn has come. */
  content(): AsyncIterable<Uint8Array>;
}

/** streamx streams iterate; the library's declarations do not say so. */
const bytesOf = (stream: unknown) => stream as AsyncIterable<Uint8Array>;

/**
 * A tar of these entries, made as fast as it is read and no faster. Leaving the iteration ends the entry that is being
 * read. Throws what an entry's content throws, and for content of another size than the entry says.
 */
export async function* tarOf(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const writing = writeAll(tar, entries).then(
    () => tar.finalize(),
    (error) => tar.destroy(error),
  );
  try {
    yield* bytesOf(tar);
  } finally {
    tar.destroy();
    await writing;
  }
}

async function writeAll(tar: ReturnType<typeof pack>, entries: Iterable<TarEntry>): Promise<void> {
  for (const entry of entries) await writeEntry(tar, entry);
}

/** Returns when the entry was taken, or the tar is destroyed for what went wrong with it. */
async function writeEntry(tar: ReturnType<typeof pack>, entry: TarEntry): Promise<void> {
  const { name, sizeBytes: size, mtime } = entry;
  if (name.endsWith("/")) return void tar.entry({ name, mtime, mode: 0o755, type: "directory" });
  await feed(entry.content(), tar.entry({ name, size, mtime, mode: 0o644 })).done;
}
