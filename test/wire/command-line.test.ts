/** The `berth` command against a real daemon: jobs, and `berth run` with and without one. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../core/support/spawn.ts";
import type { Undo } from "../../core/support/undo.ts";
import { berthCommand } from "../support/berth-command.ts";
import { imageArchive } from "../support/busybox-image.ts";
import { temporaryDataDir, watchedDataDir } from "../support/daemon.ts";
import { Docker, newestDocker } from "../support/docker-cli.ts";
import { call } from "../support/engine-api.ts";
import { processesWith } from "../support/processes.ts";
import { assert, eventually, test } from "../support/test.ts";
import { loadImage, wire } from "../support/wire.ts";

const daemon = wire();

function berth(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [command, ...rest] = berthCommand(...args);
  return new Promise((resolve) => {
    execFile(command!, rest, { encoding: "utf8" }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test("opens a job, prints its socket alone, lists, shows and closes it", async () => {
  const { dataDir } = await daemon.daemon();
  const opened = await berth("job", "open", "cli-1", "--data-dir", dataDir);
  assert.is(opened.code, 0, opened.stderr);
  const socketPath = opened.stdout.trim();
  assert.is(opened.stdout, `${join(dataDir, "jobs/cli-1/docker/d.sock")}\n`);
  assert.is((await call(socketPath, "GET", "/_ping")).text, "OK");
  assert.match((await berth("job", "ls", "--data-dir", dataDir)).stdout, "cli-1");
  const shown = await berth("job", "show", "cli-1", "--json", "--data-dir", dataDir);
  assert.is(JSON.parse(shown.stdout).socketPath, socketPath);
  const taken = await berth("job", "open", "cli-1", "--data-dir", dataDir);
  assert.is.not(taken.code, 0);
  assert.match(taken.stderr, "cli-1");
  assert.is((await berth("job", "close", "cli-1", "--data-dir", dataDir)).code, 0);
  assert.not.ok(existsSync(socketPath));
});

test("job open joins the namespace of a process, or one at a path, to the job", async (undo) => {
  const { dataDir } = await daemon.daemon();
  const pid = await processWithNamespace(undo);
  const path = await namespaceAt(undo, pid);
  for (const [id, ...caller] of [["by-pid", "--pid", String(pid)], ["by-path", "--netns", path]] as const) {
    const opened = await berth("job", "open", id, ...caller, "--data-dir", dataDir);
    assert.is(opened.code, 0, opened.stderr);
    undo.add(id, () => berth("job", "close", id, "--data-dir", dataDir));
    const socketPath = opened.stdout.trim();
    await loadImage(socketPath);
    const docker = new Docker(socketPath);
    await docker.ok(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
    const ip = await docker.ok(["inspect", "--format", "{{.NetworkSettings.IPAddress}}", "box"]);
    await run("nsenter", [`--net=/proc/${pid}/ns/net`, "/bin/busybox", "ping", "-c", "1", "-W", "5", ip]);
  }
});

test("run opens a job for a command and closes it, with the command's exit code", async () => {
  const { dataDir, control } = await daemon.daemon();
  const script = "echo $DOCKER_HOST; exit 42";
  const ran = await berth("run", "--id", "cli-run", "--data-dir", dataDir, "--", "sh", "-c", script);
  assert.is(ran.code, 42, ran.stderr);
  assert.is(ran.stdout.trim(), `unix://${join(dataDir, "jobs/cli-run/docker/d.sock")}`);
  assert.equal((await control.listJobs({})).jobs, []);
});

test("run starts a daemon of its own when none is there, and nothing of it stays", async (undo) => {
  const dataDir = await watchedDataDir(undo);
  const archive = join(await temporaryDataDir(undo), "image.tar");
  await writeFile(archive, await imageArchive());
  const script = `"$0" load -q -i ${archive} && "$0" run --rm busybox echo ran in a container`;
  const ran = await berth("run", "--data-dir", dataDir, "--", "sh", "-c", script, newestDocker.path);
  assert.is(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, "ran in a container\n");
  assert.equal(processesWith(dataDir), []);
});

test("plugins lists what runs, with its routes", async () => {
  const { dataDir } = await daemon.daemon();
  const listed = JSON.parse((await berth("plugins", "--json", "--data-dir", dataDir)).stdout);
  const plugins: { id: string; state: string }[] = Array.isArray(listed) ? listed : listed.plugins;
  for (const id of ["system", "images", "containers", "containerd", "cni", "registry", "control"]) {
    assert.is(plugins.find((plugin) => plugin.id === id)?.state, "running", id);
  }
});

test("doctor finds this machine fit", async () => {
  const { dataDir } = await daemon.daemon();
  const examined = await berth("doctor", "--data-dir", dataDir);
  assert.is(examined.code, 0, examined.stdout + examined.stderr);
});

test("a command without a daemon says how to get one", async (undo) => {
  const dataDir = await temporaryDataDir(undo);
  const { code, stderr } = await berth("job", "ls", "--data-dir", dataDir);
  assert.is.not(code, 0);
  assert.match(stderr, "berth serve");
});

/** Starts a process in a network namespace of its own. */
async function processWithNamespace(undo: Undo): Promise<number> {
  const child = spawn("unshare", ["--net", "sleep", "1000"], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  undo.add("process", () => child.kill("SIGKILL") && ended);
  const own = await readlink("/proc/self/ns/net");
  const namespaceOf = () => readlink(`/proc/${child.pid}/ns/net`).catch(() => own);
  await eventually("the process's namespace", async () => await namespaceOf() !== own);
  return child.pid!;
}

/** Binds a process's network namespace to a file. */
async function namespaceAt(undo: Undo, pid: number): Promise<string> {
  const path = join(await temporaryDataDir(undo), "netns");
  await writeFile(path, "");
  await run("mount", ["--bind", `/proc/${pid}/ns/net`, path]);
  undo.add("namespace's file", () => run("umount", [path]));
  return path;
}

daemon.leavesNothing();
