import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { run } from "../../core/support/spawn.ts";
import { Undo } from "../../core/support/undo.ts";
import { bridgeName } from "../../plugins/cni/network-state.ts";
import { differences, snapshotHost } from "../support/leaks.ts";
import { assert, test } from "../support/test.ts";
import { pings, reaches, startCaller, startCni } from "./lab.ts";

/** Starts a daemon that is never stopped, as after kill -9: what it made stays. */
async function killedDaemon(undo: Undo, liveJobs: readonly string[] = []) {
  const neverRun = new Undo("a killed daemon");
  const daemon = await startCni(neverRun);
  const like = { dataDir: daemon.dataDir, id: daemon.id };
  const scope = { directories: [`${daemon.dataDir}/cni/networks`], daemonIds: [daemon.id] };
  undo.add("data directory", () => run("rm", ["-rf", daemon.dataDir]));
  return { ...daemon, scope, restart: () => startCni(undo, { like, liveJobs }) };
}

test("removes what a killed daemon left of jobs that nobody knows", async (undo) => {
  const killed = await killedDaemon(undo);
  const before = await snapshotHost(killed.scope);
  const caller = await startCaller(undo);
  const { network } = await killed.openJob("gone", { callerNetns: caller.namespacePath });
  await Promise.all([network.lend("c1"), network.lend("c2")]);
  await killed.restart();
  assert.equal(differences(before, await snapshotHost(killed.scope)), []);
});

test("keeps the network of a job that is still to be closed, then removes it with the job", async (undo) => {
  const killed = await killedDaemon(undo, ["left"]);
  const before = await snapshotHost(killed.scope);
  const { network } = await killed.openJob("left");
  const [one, two] = await Promise.all([network.lend("c1"), network.lend("c2")]);
  const { openJob } = await killed.restart();
  assert.ok(await reaches(one.namespacePath, two.ipAddress));
  const fresh = await openJob("fresh");
  assert.not.ok(await pings((await fresh.network.lend("c3")).namespacePath, one.ipAddress));
  await fresh.close();
  const left = await openJob("left", { abandoned: true });
  await left.close();
  assert.equal(differences(before, await snapshotHost(killed.scope)), []);
});

test("removes things half made: a bridge without a record, a namespace without a bridge", async (undo) => {
  const killed = await killedDaemon(undo);
  const before = await snapshotHost(killed.scope);
  const bridge = bridgeName(killed.id, "half");
  await run("ip", ["link", "add", bridge, "type", "bridge"]);
  const directory = killed.host.paths.namespaces(bridgeName(killed.id, "other"));
  await mkdir(directory, { recursive: true });
  await run("sh", ["-c", 'touch "$0/0" "$0/1" && unshare --net="$0/0" true', directory]);
  await killed.restart();
  assert.equal(differences(before, await snapshotHost(killed.scope)), []);
});

test("removes chains that no network needs any more", async (undo) => {
  const killed = await killedDaemon(undo);
  const before = await snapshotHost(killed.scope);
  await killed.host.firewall.add({ bridge: bridgeName(killed.id, "x"), subnet: "10.255.255.0/24" });
  assert.not.equal(differences(before, await snapshotHost(killed.scope)), []);
  await killed.restart();
  assert.equal(differences(before, await snapshotHost(killed.scope)), []);
});

test("closes a job whose network somebody else took apart", async (undo) => {
  const { openJob, host, dataDir, id } = await startCni(undo);
  const scope = { directories: [dataDir], daemonIds: [id] };
  const before = await snapshotHost(scope);
  const { network, close } = await openJob("j1");
  const { namespacePath } = await network.lend("c1");
  await run("umount", [namespacePath]);
  await run("ip", ["link", "del", host.bridgeOf("j1")]);
  await close();
  assert.equal(differences(before, await snapshotHost(scope)), []);
});

test("puts rules back that somebody flushed, when the next network is made", async (undo) => {
  const { openJob, id } = await startCni(undo);
  const [a, b] = [await openJob("a"), await openJob("b")];
  const inA = await a.network.lend("c1");
  await run("iptables", ["-w", "-D", "FORWARD", "-j", `BERTH-${id}-FWD`]);
  const inB = await b.network.lend("c2");
  assert.not.ok(await pings(inA.namespacePath, inB.ipAddress));
});

test("finds a clean host after a kill -9 at any moment", async (undo) => {
  const caller = await startCaller(undo);
  for (const delayMs of [0, 10, 20, 35, 50, 70, 100, 150]) {
    const victim = await startVictim(undo, caller.namespacePath);
    const scope = { directories: [`${victim.dataDir}/cni`], daemonIds: [victim.id] };
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await victim.kill();
    const steps = new Undo("the next daemon");
    await startCni(steps, { like: victim });
    const left = differences({}, await snapshotHost(scope));
    assert.equal(left, [`file: ${victim.dataDir}/cni/networks`], `killed after ${delayMs} ms`);
    await steps.run();
  }
});

/** A daemon in a process of its own, busy with opening jobs and lending namespaces. */
async function startVictim(undo: Undo, callerNetns: string) {
  const self = process.argv[1]!;
  const program = join(dirname(self), `victim${extname(self)}`);
  const args = program.endsWith(".ts") ? ["run", "-A", program, callerNetns] : [program, callerNetns];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  undo.add("victim", kill);
  const line = await new Promise<Uint8Array>((resolve) => child.stdout.once("data", resolve));
  const { dataDir, id } = JSON.parse(line.toString()) as { dataDir: string; id: string };
  undo.add("victim's directory", () => run("rm", ["-rf", dataDir]));
  return { dataDir, id, kill };
}
