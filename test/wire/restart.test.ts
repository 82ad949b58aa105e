/** Two daemons on one data directory, daemons that die, sockets that are in the way. */
import { existsSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { spawnDaemon, startDaemon, watchedDataDir } from "../support/daemon.ts";
import { Docker } from "../support/docker-cli.ts";
import { must } from "../support/engine-api.ts";
import { processesWith } from "../support/processes.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { loadImage } from "../support/wire.ts";

test("a second daemon on one data directory is refused and disturbs nothing", async (undo) => {
  const first = await startDaemon(undo);
  const job = await first.job(undo);
  const second = await spawnDaemon(undo, { dataDir: first.dataDir });
  await eventually("the second daemon to give up", () => !second.running, 30_000);
  assert.is.not(await second.stop(), 0);
  assert.match(await second.log(), "a daemon is running at");
  await must(200, job.socketPath, "GET", "/_ping");
});

test("after kill -9 the next daemon closes unfinished jobs completely", async (undo) => {
  const dataDir = await watchedDataDir(undo);
  const first = await startDaemon(undo, { dataDir });
  const job = await first.job(undo, { id: "left" });
  await loadImage(job.socketPath);
  const docker = new Docker(job.socketPath);
  const marker = `${4_000_000 + process.pid}`;
  await docker.ok(["run", "-d", "--name", "survivor", "busybox", "sleep", marker]);
  // The start is over when runc's process is about to become the container's.
  await eventually("the container's process", () => processesWith(`sleep ${marker}`).length === 1);
  await first.kill();

  const second = await startDaemon(undo, { dataDir });
  await eventually("the container to end", () => processesWith(`sleep ${marker}`).length === 0);
  await eventually("the job's tree to go", () => !existsSync(join(dataDir, "jobs", "left")));
  assert.equal((await second.control.listJobs({})).jobs, []);
  const again = await second.job(undo, { id: "left" });
  assert.equal((await must(200, again.socketPath, "GET", "/containers/json?all=1")).json, []);
  assert.equal((await must(200, again.socketPath, "GET", "/images/json")).json, []);
});

test("a private containerd that survived is used again, not started twice", async (undo) => {
  const dataDir = await watchedDataDir(undo);
  const first = await startDaemon(undo, { dataDir });
  const engines = () =>
    processesWith(dataDir).filter(({ commandLine }) => /^\S*containerd /.test(commandLine)).map(({ pid }) =>
      pid
    );
  const [pid] = engines();
  assert.ok(pid, "the private containerd runs");
  await first.kill();
  assert.equal(engines(), [pid]);
  const second = await startDaemon(undo, { dataDir });
  assert.equal(engines(), [pid]);
  const job = await second.job(undo);
  await loadImage(job.socketPath);
  assert.is(await new Docker(job.socketPath).ok(["run", "--rm", "busybox", "echo", "works"]), "works");
  assert.is(await second.stop(), 0, await second.log());
  assert.equal(engines(), []);
});

test("a private containerd that dies is started again", async (undo) => {
  const daemon = await startDaemon(undo);
  const engines = () =>
    processesWith(daemon.dataDir).filter(({ commandLine }) => /^\S*containerd /.test(commandLine));
  const { pid } = engines()[0]!;
  const job = await daemon.job(undo);
  await loadImage(job.socketPath);
  process.kill(pid, "SIGKILL");
  await eventually("another containerd", () => engines().some((each) => each.pid !== pid), 30_000);
  const docker = new Docker(job.socketPath);
  await eventually(
    "containers to run again",
    async () => (await docker.run(["run", "--rm", "busybox", "echo", "back"])).stdout === "back\n",
    30_000,
  );
});

test("a file or a symlink in the socket's place is refused and left alone", async (undo) => {
  const daemon = await startDaemon(undo);
  for (const [id, obstruct] of [["file", writeFile], ["link", symlink]] as const) {
    const path = join(daemon.dataDir, "jobs", id, "docker");
    await mkdir(path, { recursive: true });
    await (obstruct === writeFile
      ? writeFile(join(path, "d.sock"), "mine")
      : symlink("/etc/hostname", join(path, "d.sock")));
    undo.add(id, () => rm(dirname(path), { recursive: true }));
    assert.match((await rejection(daemon.control.openJob({ id }))).message, "in the way");
    assert.ok(existsSync(join(path, "d.sock")), "what was there stays");
  }
});
