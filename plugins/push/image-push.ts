import type { Descriptor, StoredImage } from "../images/backend.ts";
import type { ManifestBytes } from "./backend.ts";
import { BlobPusher, type PushRun } from "./blob-pusher.ts";
import { readDocument, schema2Manifest } from "./documents.ts";
import type { PushLines } from "./lines.ts";
import { type Outgoing, outgoing, type OutgoingLayer, type OutgoingManifest } from "./outgoing.ts";
import type { Compressed } from "./pushed-blobs.ts";

/** What got the tag. */
export interface PushedImage {
  readonly named: Descriptor;
  /** The index that did not go out because parts of it are missing. */
  readonly missed?: Descriptor;
}

/**
 * Pushes one image under one tag: its blobs first, several at once, then the manifests, what gets the tag last. So
 * whatever breaks off, the tag names what it named before or the whole new image.
 */
export class ImagePush {
  readonly #run: PushRun;
  readonly #concurrent: number;

  constructor(run: PushRun, concurrent: number) {
    this.#run = run;
    this.#concurrent = concurrent;
  }

  async push(image: StoredImage, tag: string, alone: boolean, lines: PushLines): Promise<PushedImage> {
    const { images, repository, pushed } = this.#run;
    // The first that fails takes the others down.
    const broken = new AbortController();
    const signal = AbortSignal.any([this.#run.signal, broken.signal]);
    const out = await outgoing(image, { alone, images, repository, signal });
    this.#announce(out, lines);
    const layers = new Layers(out, new BlobPusher({ ...this.#run, signal }, lines), this.#run);
    try {
      await together(layers.all(), (error) => broken.abort(error));
    } finally {
      await pushed.save();
    }
    const named = await this.#putManifests(out, tag, layers);
    return { named, ...(out.missed && { missed: out.missed }) };
  }

  /** All layers are prepared; those that have to wait for their turn say so. */
  #announce(out: Outgoing, lines: PushLines): void {
    const ids = [...new Set(out.manifests.flatMap(({ layers }) => layers.map(({ id }) => id)))];
    for (const id of ids) lines.state(id, "Preparing");
    for (const id of ids.slice(this.#concurrent)) lines.state(id, "Waiting");
  }

  async #putManifests(out: Outgoing, tag: string, layers: Layers): Promise<Descriptor> {
    const [own, ...others] = out.manifests;
    const { repository, signal } = this.#run;
    for (const each of others) await this.#put(each, undefined, layers);
    const manifest = await this.#put(own!, out.index ? undefined : tag, layers);
    if (!out.index) return manifest;
    await repository.putManifest(tag, out.index, signal);
    return out.index;
  }

  async #put(out: OutgoingManifest, tag: string | undefined, layers: Layers): Promise<ManifestBytes> {
    const { images, repository, signal } = this.#run;
    const manifest = out.manifest
      ? await readDocument(images, out.manifest, signal)
      : schema2Manifest(out.config, layers.of(out));
    await repository.putManifest(tag ?? manifest.digest, manifest, signal);
    return manifest;
  }
}

/** The blobs of what goes out, each brought once. */
class Layers {
  readonly #out: Outgoing;
  readonly #pusher: BlobPusher;
  readonly #turns: PushRun["turns"];
  readonly #done = new Map<string, Compressed>();

  constructor(out: Outgoing, pusher: BlobPusher, { turns }: PushRun) {
    this.#out = out;
    this.#pusher = pusher;
    this.#turns = turns;
  }

  /** Everything that has to be brought, under way. */
  all(): Promise<void>[] {
    const layers = new Map<string, OutgoingLayer>();
    const configs = new Map<string, Descriptor>();
    for (const each of this.#out.manifests) {
      for (const layer of each.layers) layers.set(layer.blob.digest, layer);
      configs.set(each.config.digest, each.config);
    }
    return [
      ...[...layers.values()].map((layer) => this.#turns.run(() => this.#bring(layer))),
      ...[...configs.values()].map((config) => this.#turns.run(() => this.#pusher.config(config))),
    ];
  }

  /** A manifest's layers as they went out, the lowest first. */
  of({ layers }: OutgoingManifest): Compressed[] {
    return [...layers].reverse().map(({ blob }) => this.#done.get(blob.digest) ?? blob);
  }

  async #bring(layer: OutgoingLayer): Promise<void> {
    this.#done.set(layer.blob.digest, await this.#pusher.layer(layer));
  }
}

/** Waits for all of it, also when some fails; rejects with what failed first. */
async function together(work: readonly Promise<void>[], onFailure: (error: unknown) => void): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  await Promise.all(work.map((each) =>
    each.catch((error) => {
      if (first) return;
      first = { error };
      onFailure(error);
    })
  ));
  if (first) throw first.error;
}
