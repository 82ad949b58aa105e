import type { Turns } from "../../core/support/turns.ts";
import type { Descriptor, RemoteReference } from "../images/backend.ts";
import type { BlobUpload, ImagesToPush, PushRepository } from "./backend.ts";
import { behind, gzipped } from "./gzip.ts";
import type { PushLines } from "./lines.ts";
import type { OutgoingLayer } from "./outgoing.ts";
import type { Compressed, PushedBlobs } from "./pushed-blobs.ts";

/** Repositories that a mount is tried from before a blob is uploaded. Docker's daemon tries about as many. */
const mostMounts = 3;

/** What all blobs of one push share. */
export interface PushRun {
  readonly repository: PushRepository;
  readonly remote: RemoteReference;
  readonly images: ImagesToPush;
  readonly pushed: PushedBlobs;
  /** Layers of the job that are uploaded at once. */
  readonly turns: Turns;
  readonly compressionLevel: number;
  readonly signal: AbortSignal;
}

/** Brings blobs into the target repository, by the shortest way there is. */
export class BlobPusher {
  readonly #run: PushRun;
  readonly #lines: PushLines;

  constructor(run: PushRun, lines: PushLines) {
    this.#run = run;
    this.#lines = lines;
  }

  /** Brings a layer; returns it as the registry has it. */
  async layer(layer: OutgoingLayer): Promise<Compressed> {
    const known = layer.compress ? this.#run.pushed.compressedOf(layer.diffId) : layer.blob;
    if (known && await this.#isThere(known, layer.id)) return known;
    const uploaded = await this.#run.repository.uploadBlob(this.#upload(layer), this.#run.signal);
    if (layer.compress) this.#run.pushed.wasCompressed(layer.diffId, uploaded);
    this.#done(uploaded.digest, layer.id, "Pushed");
    return uploaded;
  }

  /** Brings a configuration; nobody is told of it. */
  async config(blob: Descriptor): Promise<void> {
    const { repository, images, signal } = this.#run;
    if (await repository.hasBlob(blob.digest, signal)) return;
    await repository.uploadBlob({
      blob,
      read: (offset, signal) => images.read(blob, offset, signal),
      observe: () => {},
      retrying: () => {},
    }, signal);
  }

  async #isThere({ digest }: Compressed, id: string): Promise<boolean> {
    const { repository, signal } = this.#run;
    if (await repository.hasBlob(digest, signal)) {
      this.#done(digest, id, "Layer already exists");
      return true;
    }
    for (const path of this.#sourcesOf(digest)) {
      if (!await repository.mountBlob(digest, path, signal)) continue;
      this.#done(digest, id, `Mounted from ${path}`);
      return true;
    }
    return false;
  }

  /** Other repositories of the registry that the job pulled the blob from, or pushed it to. */
  #sourcesOf(digest: string): string[] {
    const { images, pushed, remote } = this.#run;
    const pulled = images.all().filter(({ layers }) => layers.some((layer) => layer.digest === digest));
    const names = [...pushed.repositoriesOf(digest), ...pulled.map(({ origin }) => origin ?? "")];
    const prefix = `${remote.registry}/`;
    const paths = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    return [...new Set(paths)].filter((path) => path !== remote.repository).slice(0, mostMounts);
  }

  #upload({ blob, id, compress }: OutgoingLayer): BlobUpload {
    const { images, compressionLevel } = this.#run;
    const total = blob.sizeBytes;
    const show = (current: number) => this.#lines.bytes(id, current, total);
    const retrying = (afterMs: number) => this.#lines.state(id, `Retrying in ${secondsText(afterMs)}`);
    if (!compress) {
      const read = (offset: number, signal: AbortSignal) => images.read(blob, offset, signal);
      return { blob, read, observe: show, retrying };
    }
    // The client sees how much of the layer was read: how large it becomes nobody knows.
    const read = (offset: number, signal: AbortSignal) =>
      behind(gzipped(counted(images.read(blob, 0, signal), show), compressionLevel), offset);
    return { read, observe: () => {}, retrying };
  }

  #done(digest: string, id: string, status: string): void {
    const { pushed, remote } = this.#run;
    pushed.wentTo(digest, `${remote.registry}/${remote.repository}`);
    this.#lines.state(id, status);
  }
}

function secondsText(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    tell(bytes);
    yield chunk;
  }
}
