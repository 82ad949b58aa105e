import { Turns } from "../../../core/support/turns.ts";
import type { CachePiece } from "../../images/backend.ts";
import type { ContainerdConnection } from "../connection.ts";
import { isNotFound, unlessMissing } from "../errors.ts";
import type { Info as Blob } from "../gen/content_pb.ts";
import { type Info as Snapshot, Kind } from "../gen/snapshots_pb.ts";

/** Calls to containerd at a time. */
const callsAtOnce = 16;

const contentReference = "containerd.io/gc.ref.content.";
const snapshotReference = "containerd.io/gc.ref.snapshot.";

/** Everything that can be part of an image, as containerd had it at one moment, with what leads to what. */
export class StoreGraph {
  readonly #blobs: ReadonlyMap<string, Blob>;
  readonly #snapshots: ReadonlyMap<string, { parent: string; sizeBytes: number }>;
  readonly #snapshotter: string;

  constructor(
    blobs: ReadonlyMap<string, Blob>,
    snapshots: ReadonlyMap<string, { parent: string; sizeBytes: number }>,
    snapshotter: string,
  ) {
    this.#blobs = blobs;
    this.#snapshots = snapshots;
    this.#snapshotter = snapshotter;
  }

  blob(digest: string): Blob | undefined {
    return this.#blobs.get(digest);
  }

  /** All that collection keeps for the sake of a blob: what its labels lead to, and the layers below each layer. */
  piecesOf(digest: string): CachePiece[] {
    const pieces = new Map<string, CachePiece>();
    const waiting = [digest];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const blob = this.#blobs.get(next);
      if (!blob || pieces.has(next)) continue;
      pieces.set(next, { id: next, sizeBytes: Number(blob.size) });
      for (const [label, target] of Object.entries(blob.labels)) {
        if (label.startsWith(contentReference)) waiting.push(target);
        if (label === snapshotReference + this.#snapshotter) this.#addChain(target, pieces);
      }
    }
    return [...pieces.values()];
  }

  /** The bytes of those pieces that are in this graph. */
  presentBytes(pieces: readonly CachePiece[]): number {
    const present = pieces.filter(({ id }) => this.#blobs.has(id) || this.#snapshots.has(nameOf(id)));
    return present.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  #addChain(top: string, pieces: Map<string, CachePiece>): void {
    for (let name = top;;) {
      const snapshot = this.#snapshots.get(name);
      if (!snapshot || pieces.has(unpacked + name)) return;
      pieces.set(unpacked + name, { id: unpacked + name, sizeBytes: snapshot.sizeBytes });
      name = snapshot.parent;
    }
  }
}

/** Chain IDs look like digests of blobs. */
const unpacked = "unpacked ";
const nameOf = (id: string) => id.startsWith(unpacked) ? id.slice(unpacked.length) : "";

/** Reads graphs. Layers that are unpacked never change: each is measured once. */
export class GraphReader {
  readonly #connection: ContainerdConnection;
  readonly #snapshotter: string;
  #sizes = new Map<string, number>();

  constructor(connection: ContainerdConnection, snapshotter: string) {
    this.#connection = connection;
    this.#snapshotter = snapshotter;
  }

  async read(): Promise<StoreGraph> {
    const [blobs, snapshots] = await Promise.all([this.#readBlobs(), this.#readSnapshots()]);
    return new StoreGraph(blobs, snapshots, this.#snapshotter);
  }

  async #readBlobs(): Promise<Map<string, Blob>> {
    const blobs = new Map<string, Blob>();
    for await (const { info } of this.#connection.content.list({})) {
      for (const blob of info) blobs.set(blob.digest, blob);
    }
    return blobs;
  }

  async #readSnapshots(): Promise<Map<string, { parent: string; sizeBytes: number }>> {
    const committed = (await this.#listSnapshots()).filter(({ kind }) => kind === Kind.COMMITTED);
    const turns = new Turns(callsAtOnce);
    const sizes = new Map<string, number>();
    await Promise.all(committed.map(({ name }) =>
      turns.run(async () => {
        const sizeBytes = this.#sizes.get(name) ?? await this.#measure(name);
        if (sizeBytes !== undefined) sizes.set(name, sizeBytes);
      })
    ));
    this.#sizes = sizes;
    return new Map(
      committed.flatMap(({ name, parent }) => {
        const sizeBytes = sizes.get(name);
        return sizeBytes === undefined ? [] : [[name, { parent, sizeBytes }]];
      }),
    );
  }

  async #listSnapshots(): Promise<Snapshot[]> {
    const all: Snapshot[] = [];
    try {
      const answers = this.#connection.snapshots.list({ snapshotter: this.#snapshotter });
      for await (const { info } of answers) all.push(...info);
    } catch (error) {
      // containerd's way to say that there never was one.
      if (!isNotFound(error)) throw error;
    }
    return all;
  }

  async #measure(key: string): Promise<number | undefined> {
    const call = this.#connection.snapshots.usage({ snapshotter: this.#snapshotter, key });
    const usage = await unlessMissing(call);
    return usage && Number(usage.size);
  }
}
