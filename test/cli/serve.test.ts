import type { ChildProcess } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { temporaryDir } from "../control/fakes.ts";
import { assert, eventually, test } from "../support/test.ts";
import { berth, type Ended, ended, startBerth } from "./berth.ts";
import { leanConfig } from "./lean-config.ts";

test("opens jobs once it says that it is ready, and closes them when it is told to stop", async (undo) => {
  const { dataDir, child, end } = await served(undo);
  const opened = await berth("job", "open", "j1", "--data-dir", dataDir);
  assert.is(opened.stdout, `${dataDir}/jobs/j1/docker/d.sock\n`);
  await access(opened.stdout.trim());
  process.kill(child.pid!, "SIGTERM");
  const { exitCode, stdout } = await end;
  assert.equal([exitCode, stdout], [0, `ready: ${dataDir}/control.sock\n`]);
  assert.equal(await readdir(dataDir), ["jobs"]);
  assert.equal(await readdir(join(dataDir, "jobs")), []);
});

test("refuses to be the second daemon of a data directory", async (undo) => {
  const { dataDir } = await served(undo);
  const second = await berth("serve", "--data-dir", dataDir, "--config", await leanConfig(undo));
  assert.is(second.exitCode, 1);
  assert.match(second.stderr, /^berth: a daemon is running at .* already \(process \d+\)/);
});

test("stops when whoever started it is gone, if asked to", async (undo) => {
  const { child, end } = await served(undo, "--until-stdin-ends");
  child.stdin!.end();
  assert.is((await end).exitCode, 0);
});

test("ends with a message about what is wrong in the config", async (undo) => {
  const dataDir = await temporaryDir(undo);
  const { exitCode, stdout, stderr } = await berth(
    "serve",
    "--data-dir",
    dataDir,
    "--config",
    "/nowhere.toml",
  );
  assert.equal([exitCode, stdout], [1, ""]);
  assert.match(stderr, /^berth: .*\/nowhere\.toml/);
});

test("starts a daemon of its own for a run when none is running, and leaves nothing of it", async (undo) => {
  const place = await temporaryDir(undo);
  const config = await leanConfig(undo);
  const script = 'test -S "${DOCKER_HOST#unix://}" && echo "$DOCKER_HOST" && exit 9';
  const child = startRun(place, config, script);
  const { exitCode, stdout, stderr } = await ended(child);
  assert.equal([exitCode, stderr], [9, ""]);
  assert.match(stdout, new RegExp(`^unix://${place}/berth-.*/docker/d\\.sock\n$`));
  assert.equal(await readdir(place), []);
});

test("leaves nothing of a run that was killed", async (undo) => {
  const place = await temporaryDir(undo);
  const child = startRun(place, await leanConfig(undo), "echo $$; exec sleep 600");
  child.stdout!.setEncoding("utf8").once("data", (processId: string) => {
    // The command lives on: a signal that cannot be caught cannot be passed on either.
    undo.add("command", () => process.kill(Number(processId), "SIGKILL"));
    process.kill(child.pid!, "SIGKILL");
  });
  await eventually("the run to be killed", () => child.signalCode !== null);
  await eventually("the run's daemon to end", async () => (await readdir(place)).length === 0);
});

test("stops in order when a run is interrupted before its command starts", async (undo) => {
  const place = await temporaryDir(undo);
  const child = startRun(place, await leanConfig(undo), "echo started");
  const end = ended(child);
  await eventually("the run's daemon to start", async () => (await readdir(place)).length > 0);
  process.kill(child.pid!, "SIGINT");
  const { exitCode, stdout } = await end;
  assert.equal([exitCode, stdout], [130, ""]);
  assert.equal(await readdir(place), []);
});

/** Starts a daemon without engines and waits until it is ready. */
async function served(undo: Undo, ...words: string[]) {
  const dataDir = await temporaryDir(undo);
  const child = startBerth(["serve", "--data-dir", dataDir, "--config", await leanConfig(undo), ...words]);
  const end = ended(child);
  undo.add("daemon", () => stopped(child, end));
  const ready = new Promise((resolve) => child.stdout!.once("data", resolve));
  await Promise.race([ready, end.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return { dataDir, child, end };
}

async function stopped(child: ChildProcess, end: Promise<Ended>): Promise<void> {
  if (child.exitCode === null) process.kill(child.pid!, "SIGTERM");
  await end;
}

/** Starts `berth run` with a temporary directory of its own to make a daemon's in. */
function startRun(place: string, config: string, script: string): ChildProcess {
  const words = ["run", "--config", config, "--", "/bin/sh", "-c", script];
  return startBerth(words, { TMPDIR: place });
}
