import { constants, lstat, open, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Stats } from "node:fs";

/** A mount that makes a snapshot visible, as containerd reports it. */
export interface RootMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The directories that an overlay or bind mount shows, topmost first. Empty for kinds that have none to look into. */
export function layersOf(mounts: readonly RootMount[]): string[] {
  const [mount] = mounts;
  if (!mount || mounts.length > 1) return [];
  if (mount.type === "bind") return [mount.source];
  if (mount.type !== "overlay") return [];
  const option = (name: string) =>
    mount.options.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
  return [option("upperdir") ?? [], option("lowerdir")?.split(":") ?? []].flat();
}

const largestFileBytes = 1024 * 1024;
const mostLinks = 40;

/**
 * Reads a small text file of a container that does not run, without mounting anything, through the layers of its
 * root. Walks one component at a time and follows links inside the root only: nothing in an image leads to a
 * file of the host. Empty when there is no such regular file.
 */
export async function readInLayers(layers: readonly string[], path: string): Promise<string> {
  const place = await locate(layers, path);
  if (!place) return "";
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return "";
    const buffer = Buffer.alloc(Math.min(stats.size, largestFileBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Where a path's entry really is, with the directories that make up each directory on the way. */
async function locate(layers: readonly string[], path: string): Promise<string | undefined> {
  const pending = path.split("/");
  let trail: (readonly string[])[] = [layers];
  let links = 0;
  while (pending.length > 0) {
    const name = pending.shift();
    if (!name || name === ".") continue;
    if (name === "..") {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const entry = await lookUp(trail.at(-1) ?? [], name);
    if (!entry) return undefined;
    if (entry.kind === "directory") trail.push(entry.places);
    else if (entry.kind === "file") return pending.length === 0 ? entry.place : undefined;
    else {
      if (++links > mostLinks) return undefined;
      const target = await readlink(entry.place);
      if (target.startsWith("/")) trail = [layers];
      pending.unshift(...target.split("/"));
    }
  }
  return undefined;
}

type Entry =
  | { kind: "directory"; places: readonly string[] }
  | { kind: "file" | "link"; place: string };

/**
 * One name in a merged directory. Only directories of the layers that are directories all the way down are asked, so
 * that no lstat passes through a link. An opaque directory's mark, an attribute that cannot be read here, is not
 * seen: a file that a later layer hid with its whole directory is found again, which discloses nothing.
 */
async function lookUp(directories: readonly string[], name: string): Promise<Entry | undefined> {
  const places: string[] = [];
  for (const directory of directories) {
    const place = join(directory, name);
    const stats = await lstat(place).catch(() => undefined);
    if (!stats) continue;
    if (stats.isDirectory()) {
      places.push(place);
      continue;
    }
    if (places.length > 0 || isWhiteout(stats)) break;
    if (stats.isSymbolicLink()) return { kind: "link", place };
    return stats.isFile() ? { kind: "file", place } : undefined;
  }
  return places.length > 0 ? { kind: "directory", places } : undefined;
}

const isWhiteout = (stats: Stats) => stats.isCharacterDevice() && stats.rdev === 0;
