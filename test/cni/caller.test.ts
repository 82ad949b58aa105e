import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { apiErrorOf } from "../../core/support/errors.ts";
import { run } from "../../core/support/spawn.ts";
import { differences, snapshotHost } from "../support/leaks.ts";
import { assert, rejection, test } from "../support/test.ts";
import { inNamespace, pings, reaches, startCaller, startCni } from "./lab.ts";

test("joins the caller to its own job's network and to no other", async (undo) => {
  const { openJob } = await startCni(undo);
  const caller = await startCaller(undo);
  const mine = await openJob("mine", { callerNetns: caller.namespacePath });
  const other = await openJob("other");
  const [sibling, stranger] = [await mine.network.lend("c1"), await other.network.lend("c2")];
  assert.ok(await reaches(caller.namespacePath, sibling.ipAddress));
  const { stdout } = await inNamespace(caller.namespacePath, "ip", "-json", "-4", "addr", "show", "berth0");
  const [own] = JSON.parse(stdout)[0].addr_info;
  assert.ok(await reaches(sibling.namespacePath, own.local));
  assert.not.ok(await pings(caller.namespacePath, stranger.ipAddress));
  assert.not.ok(await pings(stranger.namespacePath, own.local));
});

test("keeps a caller with a default route through the host out of other jobs", async (undo) => {
  const { openJob } = await startCni(undo);
  const caller = await startCaller(undo);
  const [mine, other] = [
    await openJob("mine", { callerNetns: caller.namespacePath }),
    await openJob("other"),
  ];
  const [sibling, stranger] = [await mine.network.lend("c1"), await other.network.lend("c2")];
  await inNamespace(caller.namespacePath, "ip", "route", "add", "default", "via", sibling.gateway);
  assert.ok(await reaches(caller.namespacePath, sibling.gateway));
  assert.not.ok(await pings(caller.namespacePath, stranger.ipAddress));
  assert.not.ok(await pings(caller.namespacePath, stranger.gateway));
});

test("leaves the caller's own routes as they are", async (undo) => {
  const { openJob } = await startCni(undo);
  const caller = await startCaller(undo);
  await openJob("j1", { callerNetns: caller.namespacePath });
  const { stdout } = await inNamespace(caller.namespacePath, "ip", "route");
  assert.match(stdout, /^\S+ dev berth0 proto kernel scope link src \S+\s*$/);
});

test("joins a namespace that is bound to a path", async (undo) => {
  const { openJob, dataDir } = await startCni(undo);
  const path = join(dataDir, "bound");
  await writeFile(path, "");
  await run("unshare", [`--net=${path}`, "true"]);
  undo.add("bound namespace", () => run("umount", [path]));
  const { network } = await openJob("j1", { callerNetns: path });
  assert.ok(await reaches(path, (await network.lend("c1")).ipAddress));
});

test("joins one caller to two jobs, which still do not see each other", async (undo) => {
  const { openJob } = await startCni(undo);
  const caller = await startCaller(undo);
  const callerNetns = caller.namespacePath;
  const [a, b] = [await openJob("a", { callerNetns }), await openJob("b", { callerNetns })];
  const [inA, inB] = [await a.network.lend("c1"), await b.network.lend("c2")];
  assert.ok(await reaches(callerNetns, inA.ipAddress));
  assert.ok(await reaches(callerNetns, inB.ipAddress));
  assert.not.ok(await pings(inA.namespacePath, inB.ipAddress));
});

test("takes its interface out of the caller's namespace when the job closes", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const caller = await startCaller(undo);
  const scope = { directories: [dataDir], daemonIds: [id] };
  const before = await snapshotHost(scope);
  const { close } = await openJob("j1", { callerNetns: caller.namespacePath });
  await close();
  assert.equal(differences(before, await snapshotHost(scope)), []);
  assert.not.match((await inNamespace(caller.namespacePath, "ip", "link")).stdout, "berth0");
});

test("closes completely when the caller is gone already", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const caller = await startCaller(undo);
  const scope = { directories: [dataDir], daemonIds: [id] };
  const before = await snapshotHost(scope);
  const { close, network } = await openJob("j1", { callerNetns: caller.namespacePath });
  await network.lend("c1");
  await caller.end();
  await close();
  assert.equal(differences(before, await snapshotHost(scope)), []);
});

test("chooses a subnet that the caller has no route to", async (undo) => {
  const { openJob } = await startCni(undo, { settings: { pool: ["10.255.252.0/23"] } });
  const caller = await startCaller(undo);
  await inNamespace(caller.namespacePath, "ip", "link", "set", "lo", "up");
  await inNamespace(caller.namespacePath, "ip", "addr", "add", "10.255.252.9/24", "dev", "lo");
  const { network } = await openJob("j1", { callerNetns: caller.namespacePath });
  assert.is((await network.lend("c1")).gateway, "10.255.253.1");
});

test("does nothing for a caller on the host, which reaches the containers anyway", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const scope = { directories: [], daemonIds: [id] };
  const before = await snapshotHost(scope);
  const { network } = await openJob("j1", { callerNetns: "/proc/self/ns/net" });
  assert.equal(
    differences(before, await snapshotHost({ ...scope, directories: [dataDir] })).filter((line) =>
      !line.startsWith("file")
    ),
    [],
  );
  assert.ok(await reaches("/proc/self/ns/net", (await network.lend("c1")).ipAddress));
});

for (
  const [what, path, words] of [
    ["a process that does not exist", "/proc/999999999/ns/net", /^network namespace \S+ does not exist/],
    ["a file", "/etc/hostname", /^\/etc\/hostname is not a network namespace/],
    ["a directory", "/etc", /^network namespace \/etc cannot be held/],
    ["a namespace of another kind", "/proc/self/ns/uts", /is not a network namespace/],
    ["a relative path", "ns/net", /is not an absolute path/],
  ] as const
) {
  test(`refuses ${what} as the caller, and leaves nothing behind`, async (undo) => {
    const { openJob, dataDir, id } = await startCni(undo);
    const scope = { directories: [dataDir], daemonIds: [id] };
    const before = await snapshotHost(scope);
    const error = await rejection(openJob("j1", { callerNetns: path }));
    assert.match(error.message, words);
    assert.is(apiErrorOf(error)?.status, 400);
    assert.equal(differences(before, await snapshotHost(scope)), []);
  });
}
