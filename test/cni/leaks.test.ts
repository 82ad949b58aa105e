import { randomInt } from "node:crypto";
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { run } from "../../core/support/spawn.ts";
import type { Undo } from "../../core/support/undo.ts";
import { differences, remains, rulesThatCount, snapshotHost } from "../support/leaks.ts";
import { assert, test } from "../support/test.ts";

async function temporary(undo: Undo) {
  const directory = await mkdtemp(join(tmpdir(), "berth-leaks-"));
  undo.add("directory", () => rm(directory, { recursive: true, force: true }));
  const id = `leak${randomInt(1000, 9999)}`;
  const scope = { directories: [directory], daemonIds: [id] };
  return { directory, id, scope, before: await snapshotHost(scope) };
}

test("sees files and mounts below a daemon's directory", async (undo) => {
  const { directory, scope, before } = await temporary(undo);
  await writeFile(join(directory, "netns"), "");
  await run("unshare", [`--net=${join(directory, "netns")}`, "true"]);
  undo.add("namespace", () => run("umount", [join(directory, "netns")]));
  const path = join(directory, "netns");
  assert.equal(differences(before, await snapshotHost(scope)), [`mount: ${path}`, `file: ${path}`]);
});

test("sees interfaces and rules with a daemon's name", async (undo) => {
  const { id, scope, before } = await temporary(undo);
  const bridge = `bth${id.slice(0, 5)}x`;
  await run("ip", ["link", "add", bridge, "type", "bridge"]);
  undo.add("bridge", () => run("ip", ["link", "del", bridge]));
  await run("iptables", ["-w", "-N", `BERTH-${id}-FWD`]);
  undo.add("chain", () => run("iptables", ["-w", "-X", `BERTH-${id}-FWD`]));
  assert.equal(differences(before, await snapshotHost(scope)), [
    `interface: ${bridge}`,
    `rule: :BERTH-${id}-FWD -`,
  ]);
});

test("sees the base chains that the CNI plugins firewall and portmap leave, and no rules of strangers", () => {
  const lines = [
    ":CNI-FORWARD - [0:0]",
    ":DOCKER-USER - [7:9]",
    ":BERTH-other-FWD - [0:0]",
    ":BERTH-mine-FWD - [1:2]",
  ];
  assert.equal(rulesThatCount(lines, ["mine"]), [":CNI-FORWARD -", ":BERTH-mine-FWD -"]);
  assert.equal(rulesThatCount(lines), [":CNI-FORWARD -", ":BERTH-other-FWD -", ":BERTH-mine-FWD -"]);
});

test("sees a process that mentions a daemon's directory, and a child of a watched one", async (undo) => {
  const { directory, scope, before } = await temporary(undo);
  await mkdir(join(directory, "x"));
  const child = spawn("sleep", ["300"], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  undo.add("child", () => child.kill("SIGKILL") && ended);
  const mark = spawn("sh", ["-c", "sleep 300; :", directory], { stdio: "ignore" });
  const markEnded = new Promise((resolve) => mark.once("exit", resolve));
  undo.add("marked", () => run("pkill", ["-P", String(mark.pid)]).then(() => markEnded));
  const left = differences(before, await snapshotHost(scope));
  assert.ok(left.some((line) => line.startsWith(`process: ${mark.pid} `)), left.join());
  const below = differences(before, await snapshotHost({ ...scope, pids: [process.pid] }));
  assert.ok(below.some((line) => line.startsWith(`process: ${child.pid} `)), below.join());
});

test("counts open descriptors, and waits for those that are being closed", async (undo) => {
  const scope = { ...(await temporary(undo)).scope, pids: [process.pid] };
  const before = await snapshotHost(scope);
  const file = await open("/etc/hostname");
  // Deno opens a pair of sockets of its own some time after its start.
  const isMeant = (line: string) => line.endsWith(" socket");
  assert.equal(await remains(before, scope, { timeoutMs: 100, isMeant }), [
    `open descriptor: ${process.pid} /etc/hostname`,
  ]);
  setTimeout(() => file.close(), 50);
  assert.equal(await remains(before, scope, { isMeant }), []);
});

test("passes over what other engines make", async (undo) => {
  const { scope, before } = await temporary(undo);
  await run("ip", ["link", "add", "brother0", "type", "bridge"]);
  undo.add("bridge", () => run("ip", ["link", "del", "brother0"]));
  assert.equal(differences(before, await snapshotHost(scope)), []);
});
