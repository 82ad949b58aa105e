/** What cached images take on disk, and which of them to remove for so much room. Pure: counts what it is given. */
import type { CachedImage } from "../backend.ts";

/** Disk space of images together, in bytes: pieces that they share count once. */
export function totalBytes(images: readonly CachedImage[]): number {
  const pieces = new Map(images.flatMap(({ pieces }) => pieces.map(({ id, sizeBytes }) => [id, sizeBytes])));
  return [...pieces.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
}

/** Of each image the part that no other one has, in bytes, by digest. */
export function uniqueBytes(images: readonly CachedImage[]): Map<string, number> {
  const owners = countOwners(images);
  return new Map(images.map(({ digest, pieces }) => {
    const own = pieces.filter(({ id }) => owners.get(id) === 1);
    return [digest, own.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)];
  }));
}

/** Images in the order in which they go: least recently used first. */
export function inOrder(images: readonly CachedImage[]): CachedImage[] {
  return [...images].sort((a, b) =>
    a.lastUsed.getTime() - b.lastUsed.getTime() || (a.digest < b.digest ? -1 : 1)
  );
}

/** Images that may go: nobody holds them and they are not pinned. */
export const removable = (images: readonly CachedImage[]): CachedImage[] =>
  images.filter(({ heldBy, pinned }) => heldBy.length === 0 && !pinned);

/**
 * The least recently used of the removable images, as many as give so much room, all of them when that is not
 * enough. A piece is room when the last image that has it goes.
 */
export function oldestFor(neededBytes: number, images: readonly CachedImage[]): CachedImage[] {
  const owners = countOwners(images);
  const chosen: CachedImage[] = [];
  let roomBytes = 0;
  for (const image of inOrder(removable(images))) {
    if (roomBytes >= neededBytes) break;
    chosen.push(image);
    for (const { id, sizeBytes } of image.pieces) {
      const left = (owners.get(id) ?? 0) - 1;
      owners.set(id, left);
      if (left === 0) roomBytes += sizeBytes;
    }
  }
  return chosen;
}

function countOwners(images: readonly CachedImage[]): Map<string, number> {
  const owners = new Map<string, number>();
  for (const { pieces } of images) {
    for (const { id } of pieces) owners.set(id, (owners.get(id) ?? 0) + 1);
  }
  return owners;
}
