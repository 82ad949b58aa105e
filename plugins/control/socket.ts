import { chmod, lstat, unlink } from "node:fs/promises";
import type { Server } from "node:http";
import { connect } from "node:net";
import { conflict } from "../../core/support/errors.ts";

/**
 * Listens on a Unix socket that only this user may open. What stands at the path already is replaced only when it
 * is a socket that nobody listens on: never a file, a link or a living daemon's socket.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  await removeDeadSocket(path);
  // Created with the right mode: a chmod afterwards would leave a moment in which anybody may connect.
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } finally {
    process.umask(before);
  }
  await chmod(path, 0o600);
}

async function removeDeadSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreMissing);
  if (!found) return;
  if (!found.isSocket()) throw conflict(`${path} is in the way and is not a socket: move it away`);
  if (await somebodyListens(path)) throw conflict(`a daemon listens on ${path} already`);
  await unlink(path).catch(ignoreMissing);
}

function somebodyListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(path, () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
