import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { differences, remains, snapshotHost } from "../support/leaks.ts";
import { inNamespace, pings, reaches, startCni } from "./lab.ts";

test("lets containers of one job reach each other and the gateway", async (undo) => {
  const { openJob } = await startCni(undo);
  const { network } = await openJob("j1");
  const [one, two] = await Promise.all([network.lend("c1"), network.lend("c2")]);
  assert.ok(await reaches(one.namespacePath, two.ipAddress));
  assert.ok(await reaches(two.namespacePath, one.ipAddress));
  assert.ok(await reaches(one.namespacePath, one.gateway));
  assert.ok(await reaches(one.namespacePath, "127.0.0.1"));
});

test("describes the interface it lends as it is", async (undo) => {
  const { openJob } = await startCni(undo);
  const { network } = await openJob("j1");
  const lent = await network.lend("c1");
  const { stdout } = await inNamespace(lent.namespacePath, "ip", "-json", "addr", "show", "eth0");
  const [link] = JSON.parse(stdout);
  assert.is(link.address, lent.macAddress);
  assert.is(link.addr_info.length, 1, "an address, and no IPv6 beside it");
  assert.is(link.addr_info[0].local, lent.ipAddress);
  assert.is(link.addr_info[0].prefixlen, lent.prefixLength);
  const routes = await inNamespace(lent.namespacePath, "ip", "route", "show", "default");
  assert.match(routes.stdout, `default via ${lent.gateway} dev eth0`);
});

test("keeps two jobs' networks apart, in both directions and by the gateways too", async (undo) => {
  const { openJob } = await startCni(undo);
  const [a, b] = [await openJob("a"), await openJob("b")];
  const [inA, inB] = [await a.network.lend("c1"), await b.network.lend("c2")];
  assert.not.ok(await pings(inA.namespacePath, inB.ipAddress));
  assert.not.ok(await pings(inB.namespacePath, inA.ipAddress));
  assert.not.ok(await pings(inA.namespacePath, inB.gateway));
  assert.ok(await reaches(inB.namespacePath, inB.gateway));
});

test("keeps the networks of two daemons on one host apart", async (undo) => {
  const [first, second] = [await startCni(undo), await startCni(undo)];
  const [a, b] = [await first.openJob("j1"), await second.openJob("j1")];
  const [inA, inB] = [await a.network.lend("c1"), await b.network.lend("c2")];
  assert.not.ok(await pings(inA.namespacePath, inB.ipAddress));
  assert.not.ok(await pings(inB.namespacePath, inA.ipAddress));
  await b.close();
  await second.stop();
  const sibling = await a.network.lend("c3");
  assert.ok(await reaches(inA.namespacePath, sibling.ipAddress), "the other daemon took its own rules only");
});

test("speaks no IPv6 with containers, whose router advertisements the host would believe", async (undo) => {
  const { openJob, host } = await startCni(undo);
  const { network } = await openJob("j1");
  const lent = await network.lend("c1");
  const { stdout } = await inNamespace("/proc/self/ns/net", "ip", "-6", "addr", "show", host.bridgeOf("j1"));
  assert.is(stdout, "");
  assert.not.ok(await pings(lent.namespacePath, "ff02::1%eth0"));
});

test("owns nothing in the kernel while a job is idle", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const scope = { directories: [dataDir], daemonIds: [id], pids: [process.pid] };
  const before = await snapshotHost(scope);
  const { close } = await openJob("idle");
  assert.equal(await remains(before, scope), []);
  await close();
});

test("leaves nothing behind when a job closes, not even while namespaces are being made", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const scope = { directories: [dataDir], daemonIds: [id] };
  const withDescriptors = { ...scope, pids: [process.pid] };
  const before = await snapshotHost(withDescriptors);
  const { network, close } = await openJob("j1");
  await network.lend("c1");
  assert.not.equal(differences(before, await snapshotHost(scope)), []);
  for (let count = 0; count < 4; count++) network.prepare();
  await close();
  assert.equal(differences(before, await snapshotHost(scope)), []);
  assert.equal(await remains(before, withDescriptors), []);
  assert.match((await rejection(network.lend("c2"))).message, /the job is closing/);
  await close();
});

test("lends a namespace that was given back, without running anything", async (undo) => {
  const { openJob } = await startCni(undo);
  const { network } = await openJob("j1");
  const first = await network.lend("c1");
  await network.giveBack(first);
  let again: unknown;
  network.prepare();
  network.lend("c2").then((lent) => again = lent);
  // Nothing that takes a process, a file or a timer is done before the next turn of the event loop.
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assert.is(again, first);
});

test("makes a namespace ahead of need when a container is created", async (undo) => {
  const { openJob, host } = await startCni(undo);
  const { network } = await openJob("j1");
  network.prepare();
  const path = `${host.paths.namespaces(host.bridgeOf("j1"))}/0`;
  await eventually("the namespace to be attached", async () => {
    return (await inNamespace(path, "ip", "route", "show", "default")).stdout !== "";
  });
  assert.is((await network.lend("c1")).namespacePath, path);
});

test("removes namespaces beyond the limit, and hands their addresses out again", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo, { settings: { warmPerJob: 1, subnetBits: 29 } });
  const { network } = await openJob("j1");
  const lent = await Promise.all(["c1", "c2", "c3", "c4", "c5"].map((container) => network.lend(container)));
  for (const attachment of lent) await network.giveBack(attachment);
  const mounts = async () => (await snapshotHost({ directories: [dataDir], daemonIds: [id] })).mount;
  await eventually("the surplus to be removed", async () => (await mounts())?.length === 1);
  await Promise.all(["d1", "d2", "d3", "d4", "d5"].map((container) => network.lend(container)));
});

test("says so when a job's subnet has no address left", async (undo) => {
  const { openJob } = await startCni(undo, { settings: { subnetBits: 29 } });
  const { network } = await openJob("j1");
  await Promise.all(["c1", "c2", "c3", "c4", "c5"].map((container) => network.lend(container)));
  const error = await rejection(network.lend("c6"));
  assert.match(error.message, /^no address is left in the job's network 10\.[\d.]+\/29/);
});

test("reports the version of its plugins", async (undo) => {
  const { describe } = await startCni(undo);
  assert.match((await describe()).version!, /^(unknown|v?\d)/);
});

test("removes namespaces from other mount namespaces too, where a service keeps copies of every mount", async (undo) => {
  const { openJob } = await startCni(undo);
  const { network, close } = await openJob("j1");
  const { namespacePath } = await network.lend("c1");
  const other = spawn("unshare", ["--mount", "sh", "-c", "echo ready; exec sleep 300"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => other.once("exit", resolve));
  undo.add("service", () => other.kill("SIGKILL") && ended);
  await new Promise((resolve) => other.stdout.once("data", resolve));
  const mounts = () => readFile(`/proc/${other.pid}/mountinfo`, "utf8");
  assert.match(await mounts(), namespacePath);
  await close();
  assert.not.match(await mounts(), namespacePath);
});
