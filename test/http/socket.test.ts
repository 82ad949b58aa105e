import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { linkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { json } from "../../core/kernel/reply.ts";
import { serveApi } from "../../core/http/server.ts";
import { defaultHttpLimits } from "../../core/http/limits.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { ask, asPlugin, temporaryDir } from "./serve.ts";

async function serveAt(undo: Undo, socketPath: string, access: { mode?: number; gid?: number } = {}) {
  const { table, handler } = asPlugin([{ at: "GET /info", answer: () => json({}) }]);
  const server = await serveApi({
    socketPath,
    ...access,
    table,
    handlers: () => handler,
    limits: defaultHttpLimits,
    signal: new AbortController().signal,
    log: silent,
    serverHeader: "Berth/test (linux)",
  });
  undo.add("server", () => server.close(0));
  return server;
}

test("makes the socket 0600 unless told otherwise, and leaves nothing else beside it", async (undo) => {
  const dir = await temporaryDir(undo);
  await serveAt(undo, join(dir, "a.sock"));
  assert.is((await lstat(join(dir, "a.sock"))).mode & 0o777, 0o600);
  await serveAt(undo, join(dir, "b.sock"), { mode: 0o660, gid: 12345 });
  const status = await lstat(join(dir, "b.sock"));
  assert.equal([status.mode & 0o777, status.gid], [0o660, 12345]);
  assert.equal((await readdir(dir)).sort(), ["a.sock", "b.sock"]);
});

test("keeps the socket from processes that start while it listens", async (undo) => {
  const inherited = () => execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" }).match(/socket:/g);
  const before = inherited();
  await serveAt(undo, join(await temporaryDir(undo), "a.sock"));
  assert.equal(inherited(), before);
});

test("refuses a path occupied by a file, directory, symlink or live socket, and touches none of them", async (undo) => {
  const dir = await temporaryDir(undo);
  const at = (name: string) => join(dir, name);
  await writeFile(at("file"), "precious");
  await mkdir(at("directory"));
  await symlink(at("elsewhere"), at("dangling"));
  await serveAt(undo, at("live"));
  await symlink(at("live"), at("link"));
  const cases = {
    file: /a file/,
    directory: /a directory/,
    dangling: /a symbolic link/,
    link: /a symbolic link/,
    live: /in use/,
  };
  for (const [name, words] of Object.entries(cases)) {
    const error = await rejection(serveAt(undo, at(name)));
    assert.match(error.message, words);
    assert.ok(error.message.includes(at(name)));
  }
  assert.is(await readFile(at("file"), "utf8"), "precious");
  assert.is((await ask({ socketPath: at("live") }, "GET", "/info")).status, 200);
  assert.equal((await readdir(dir)).sort(), ["dangling", "directory", "file", "link", "live"]);
});

test("replaces a stale socket", async (undo) => {
  const dir = await temporaryDir(undo);
  const path = join(dir, "d.sock");
  await leaveStaleSocket(path);
  await serveAt(undo, path);
  assert.is((await ask({ socketPath: path }, "GET", "/info")).status, 200);
});

test("removes its socket when it closes, and nothing that took its place", async (undo) => {
  const dir = await temporaryDir(undo);
  const path = join(dir, "d.sock");
  const first = await serveAt(undo, path);
  await first.close(0);
  assert.equal(await readdir(dir), []);
  const second = await serveAt(undo, path);
  unlinkSync(path);
  await writeFile(path, "somebody else's");
  await second.close(0);
  assert.is(await readFile(path, "utf8"), "somebody else's");
});

test("names the path when it is too long or its directory is missing", async (undo) => {
  const dir = await temporaryDir(undo);
  const long = await rejection(serveAt(undo, join(dir, "x".repeat(100))));
  assert.match(long.message, /too long: \d+ bytes, and Linux takes 107/);
  const missing = await rejection(serveAt(undo, join(dir, "missing", "d.sock")));
  assert.match(missing.message, /missing/);
});

test("takes the longest path that Linux takes", async (undo) => {
  const dir = await temporaryDir(undo);
  const path = join(dir, "x".repeat(107 - dir.length - 1));
  await serveAt(undo, path);
  assert.is((await ask({ socketPath: path }, "GET", "/info")).status, 200);
});

/** A socket whose server is gone without having removed it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.first`, resolve));
  linkSync(`${path}.first`, path);
  await new Promise((resolve) => server.close(resolve));
  await chmod(path, 0o600);
}
