import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "../../core/daemon/data-dir-lock.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";

async function directory(undo: Undo): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "berth-lock-"));
  undo.add("directory", () => rm(path, { recursive: true }));
  return path;
}

test("refuses a second daemon and names the first one's process", async (undo) => {
  const dir = await directory(undo);
  await lockDataDir(dir);
  assert.match((await rejection(lockDataDir(dir))).message, new RegExp(`process ${process.pid}`));
});

test("leaves nothing behind when it is given back", async (undo) => {
  const dir = await directory(undo);
  const unlock = await lockDataDir(dir);
  await unlock();
  assert.equal(await readdir(dir), []);
});

test("takes over the lock of a killed daemon, whose number another process may have now", async (undo) => {
  const dir = await directory(undo);
  await writeFile(join(dir, "daemon.lock"), JSON.stringify({ pid: process.pid, started: "1" }));
  await lockDataDir(dir);
});

test("takes over a lock that is garbage", async (undo) => {
  const dir = await directory(undo);
  await writeFile(join(dir, "daemon.lock"), "half a l");
  await lockDataDir(dir);
});

test("takes over the lock of a killed daemon that nobody has waited for", async (undo) => {
  const dir = await directory(undo);
  // The shell becomes `sleep`, which never waits for the child that it has then: the child stays a zombie.
  const parent = spawn("sh", ["-c", "sh -c 'exit 0' & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  undo.add("parent", () => parent.kill());
  const [line] = await once(parent.stdout, "data");
  const pid = Number(String(line));
  const fields = await eventually("a zombie", async () => {
    const stat = (await readFile(`/proc/${pid}/stat`, "latin1")).split(") ")[1]?.split(" ");
    return stat?.[0] === "Z" && stat;
  });
  await writeFile(join(dir, "daemon.lock"), JSON.stringify({ pid, started: fields[19] }));
  await lockDataDir(dir);
});
