import { existsSync } from "node:fs";
import { spawn } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { Code } from "@connectrpc/connect";
import { run } from "../../core/support/spawn.ts";
import { codeOf } from "../../plugins/containerd/errors.ts";
import { mountsBelow } from "../../plugins/containerd/mounts.ts";
import { argumentsOf, processesWith } from "../../plugins/containerd/processes.ts";
import { privatePaths } from "../../plugins/containerd/supervisor-config.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { containerdDirectory, supervisorFor } from "./store-containerd.ts";

test("starts a containerd that answers, and leaves no process, mount or socket behind", async (undo) => {
  const dir = await containerdDirectory(undo);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  assert.match((await connection.version.version({})).version, /^v?\d+\.\d+/);
  const pid = supervisor.pid as number;
  await supervisor.close();
  assert.equal(argumentsOf(pid), []);
  assert.not(existsSync(connection.address));
  assert.equal(await mountsBelow(dir), []);
});

test("unmounts what a killed containerd left mounted, through a symbolic link, too", async (undo) => {
  const dir = await containerdDirectory(undo);
  await mkdir(`${dir}/real/state/a b`, { recursive: true });
  await symlink("real", `${dir}/link`);
  await run("mount", ["-t", "tmpfs", "left", `${dir}/real/state/a b`]);
  const { supervisor } = supervisorFor(undo, `${dir}/link`);
  await supervisor.open();
  await supervisor.close();
  assert.equal(await mountsBelow(dir), []);
});

test("keeps containerd out of the daemon's session, so that Ctrl-C does not reach it", async (undo) => {
  const { supervisor } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  const session = (await readFile(`/proc/${supervisor.pid}/stat`, "utf8")).split(") ")[1]?.split(" ")[3];
  assert.is(session, String(supervisor.pid));
});

test("starts containerd again when it was killed, and tells the listeners", async (undo) => {
  const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  const before = supervisor.pid as number;
  await connection.leases.create({ id: "kept" });
  const restarted = new Promise<void>((resolve) => connection.onRestart(resolve));
  process.kill(before, "SIGKILL");
  await restarted;
  assert.is.not(supervisor.pid, before);
  const { leases } = await connection.leases.list({});
  assert.equal(leases.map((lease) => lease.id), ["kept"]);
});

test("says that containerd is unavailable while it is away", async (undo) => {
  const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  await supervisor.close();
  assert.is(codeOf(await rejection(connection.version.version({}))), Code.Unavailable);
});

test("fails a call that was under way when containerd was killed", async (undo) => {
  const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
  await supervisor.open();
  const stream = connection.events.subscribe({ filters: [] })[Symbol.asyncIterator]();
  const next = rejection(stream.next());
  await connection.version.version({});
  process.kill(supervisor.pid as number, "SIGKILL");
  assert.instance(await next, Error);
});

test("goes on with a containerd that survived its daemon, and ends it when closed", async (undo) => {
  const dir = await containerdDirectory(undo);
  const pid = await startAndForget(dir);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  assert.is(supervisor.pid, pid);
  assert.is(processesWith("--config", privatePaths(dir).config).length, 1);
  await connection.version.version({});
  await supervisor.close();
  assert.equal(argumentsOf(pid), []);
});

test("watches a containerd that survived, too", async (undo) => {
  const dir = await containerdDirectory(undo);
  const pid = await startAndForget(dir);
  const { supervisor, connection } = supervisorFor(undo, dir);
  await supervisor.open();
  const restarted = new Promise<void>((resolve) => connection.onRestart(resolve));
  process.kill(pid, "SIGKILL");
  await restarted;
  assert.is.not(supervisor.pid, pid);
});

test("replaces a survivor whose configuration is another", async (undo) => {
  const dir = await containerdDirectory(undo);
  const pid = await startAndForget(dir);
  const { supervisor } = supervisorFor(undo, dir, { logLevel: "error" });
  await supervisor.open();
  assert.is.not(supervisor.pid, pid);
  assert.equal(argumentsOf(pid), []);
});

test("says why containerd does not start", async (undo) => {
  const dir = await containerdDirectory(undo);
  const missing = supervisorFor(undo, dir, { binary: "/nonexistent/containerd" });
  assert.match((await rejection(missing.supervisor.open())).message, "/nonexistent/containerd cannot be run");

  const occupied = await containerdDirectory(undo);
  await mkdir(`${occupied}/root`, { recursive: true });
  await writeFile(`${occupied}/root/io.containerd.content.v1.content`, "a file where a directory belongs");
  await writeFile(`${occupied}/root/io.containerd.metadata.v1.bolt`, "another");
  await mkdir(`${occupied}/containerd.sock`);
  await writeFile(`${occupied}/containerd.sock/full`, "");
  const { supervisor } = supervisorFor(undo, occupied);
  assert.match((await rejection(supervisor.open())).message, /containerd does not start: .*level=/);
});

test("refuses a directory whose path is too long for a socket, saying what to do", async (undo) => {
  const { supervisor } = supervisorFor(undo, `/tmp/${"x".repeat(100)}`);
  assert.match((await rejection(supervisor.open())).message, "choose a shorter data directory");
});

/** A containerd as a daemon leaves it that is killed: running, with nobody's child handle. */
async function startAndForget(dir: string): Promise<number> {
  const script = new URL("./store-start-and-die.ts", import.meta.url).pathname.replace(
    /\.ts$/,
    import.meta.url.endsWith(".ts") ? ".ts" : ".js",
  );
  const args = "Deno" in globalThis ? ["run", "-A", script, dir] : [script, dir];
  const daemon = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  await new Promise((resolve) => daemon.once("exit", resolve));
  const [survivor] = await eventually("a containerd that survived", () => {
    const found = processesWith("--config", privatePaths(dir).config);
    return found.length === 1 && found;
  });
  return survivor?.pid as number;
}
