import type { Server } from "node:http";
import { chmodSync, chownSync, linkSync, lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { keepSocketFromChildren } from "../support/runtime.ts";

/** Longest path of a Unix socket on Linux, in bytes: sun_path less its closing NUL. */
export const longestSocketPathBytes = 107;

/** Who may connect to a socket. */
export interface SocketAccess {
  /** Permission bits; default 0600. */
  readonly mode?: number;
  /** Owner; default the daemon's. */
  readonly uid?: number;
  /** Group; default the daemon's. */
  readonly gid?: number;
}

/** A socket's place in the file system, taken. */
export interface BoundSocket {
  /** Removes the socket, unless something else has taken its place. */
  release(): void;
}

/**
 * Makes a server listen on a path, safely: a file, directory, symlink or live socket at the path is refused, a
 * stale socket is replaced. The socket is made beside the path and moved there when its owner and mode are right, so
 * that nobody whom they exclude can ever connect; and the server, which removes what it was bound to when it closes,
 * never removes what somebody else put at the path.
 */
export async function bindSocket(server: Server, path: string, access: SocketAccess): Promise<BoundSocket> {
  const beside = temporaryName(path);
  refuseLongPath(path, beside);
  await removeStale(path);
  await listen(server, beside);
  try {
    applyAccess(beside, access);
    linkSync(beside, path);
  } catch (error) {
    server.close();
    throw new Error(`cannot put a socket at ${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    unlinkSync(beside);
  }
  const { ino, dev } = lstatSync(path);
  return { release: () => removeOurs(path, { ino, dev }) };
}

/** As long as `d.sock` or shorter than the socket's own name, so that it fits where that fits. */
function temporaryName(path: string): string {
  return join(dirname(path), `.${randomBytes(4).toString("base64url").slice(0, 5)}`);
}

function refuseLongPath(...paths: string[]): void {
  const bytes = Math.max(...paths.map((path) => Buffer.byteLength(path)));
  if (bytes <= longestSocketPathBytes) return;
  throw new Error(
    `socket path ${paths[0]} is too long: ${bytes} bytes, and Linux takes ${longestSocketPathBytes}; ` +
      "choose a shorter data directory",
  );
}

async function removeStale(path: string): Promise<void> {
  const found = statusOf(path);
  if (!found) return;
  if (!found.isSocket()) throw occupied(path, kindOf(found));
  if (await answers(path)) throw occupied(path, "a socket that is in use");
  removeOurs(path, found);
}

const occupied = (path: string, by: string) =>
  new Error(`socket path ${path} is occupied by ${by}; remove it or choose another path`);

function statusOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return "a symbolic link";
  if (found.isDirectory()) return "a directory";
  return "a file";
}

/** True unless nobody listens on the socket: whoever refuses us for another reason is alive. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // Both runtimes bind before listen returns; until the mode is set nobody but the owner gets in.
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
      if (server.listening) keepSocketFromChildren(server);
    } finally {
      process.umask(before);
    }
  });
}

function applyAccess(path: string, { mode = 0o600, uid, gid }: SocketAccess): void {
  // The owner first: while the socket is still 0600 the new owner is the only one it opens to.
  if (uid !== undefined || gid !== undefined) chownSync(path, uid ?? -1, gid ?? -1);
  chmodSync(path, mode);
}

function removeOurs(path: string, { ino, dev }: Pick<Stats, "ino" | "dev">): void {
  const found = statusOf(path);
  if (found && found.ino === ino && found.dev === dev) unlinkSync(path);
}
