import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../core/support/spawn.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, test } from "../support/test.ts";
import { inNamespace, pings, reaches, startCni } from "./lab.ts";

/** A machine outside: a namespace behind a veth pair, which knows a way to the host and to nothing behind it. */
async function startOutside(undo: Undo, directory: string, prefix = "bo") {
  const namespacePath = join(directory, "outside");
  await writeFile(namespacePath, "");
  await run("unshare", [`--net=${namespacePath}`, "true"]);
  undo.add("outside", () => run("umount", [namespacePath]));
  const name = `${prefix}${randomInt(1e8)}`;
  const net = `10.239.${randomInt(256)}`;
  await run("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`]);
  undo.add("outside link", () => run("ip", ["link", "del", name]));
  const file = await run(
    "sh",
    ["-c", 'ip link set "$0p" netns /proc/self/fd/9 9<"$1"', name, namespacePath],
    {
      exitCodes: [0, 1, 255],
    },
  );
  if (file.exitCode !== 0) throw new Error(file.stderr);
  await run("ip", ["addr", "add", `${net}.1/24`, "dev", name]);
  await run("ip", ["link", "set", name, "up"]);
  await inNamespace(namespacePath, "ip", "addr", "add", `${net}.2/24`, "dev", `${name}p`);
  await inNamespace(namespacePath, "ip", "link", "set", `${name}p`, "up");
  return { namespacePath, name, address: `${net}.2`, host: `${net}.1` };
}

test("lets containers out under the host's address, past a firewall that forwards nothing else", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const outside = await startOutside(undo, dataDir);
  // What a default policy of DROP does, to our own traffic alone.
  const drop = ["FORWARD", "-i", `bth${id.slice(0, 5)}+`, "-j", "DROP"];
  await run("iptables", ["-w", "-A", ...drop]);
  undo.add("drop", () => run("iptables", ["-w", "-D", ...drop]));
  const { network } = await openJob("j1");
  const inside = await network.lend("c1");
  // The outside has no route back: an answer comes only when the sender was the host.
  assert.ok(await reaches(inside.namespacePath, outside.address));
});

test("lets nobody in from outside", async (undo) => {
  const { openJob, dataDir } = await startCni(undo);
  const outside = await startOutside(undo, dataDir);
  const { network } = await openJob("j1");
  const inside = await network.lend("c1");
  await inNamespace(outside.namespacePath, "ip", "route", "add", "default", "via", outside.host);
  assert.ok(await reaches(outside.namespacePath, outside.host));
  assert.not.ok(await pings(outside.namespacePath, inside.ipAddress));
  assert.ok(await reaches("/proc/self/ns/net", inside.ipAddress), "the host itself reaches containers");
});

test("leaves it to Docker's own rules who reaches Docker's containers", async (undo) => {
  const { openJob, dataDir, id } = await startCni(undo);
  const outside = await startOutside(undo, dataDir, "br-");
  const drop = ["FORWARD", "-i", `bth${id.slice(0, 5)}+`, "-o", outside.name, "-j", "DROP"];
  await run("iptables", ["-w", "-A", ...drop]);
  undo.add("drop", () => run("iptables", ["-w", "-D", ...drop]));
  const { network } = await openJob("j1");
  assert.not.ok(await pings((await network.lend("c1")).namespacePath, outside.address));
});

test("takes no packet whose sender is another job's address", async (undo) => {
  const { openJob, host } = await startCni(undo);
  await openJob("j1").then(({ network }) => network.lend("c1"));
  const { stdout } = await run("cat", [`/proc/sys/net/ipv4/conf/${host.bridgeOf("j1")}/rp_filter`]);
  assert.is(stdout.trim(), "1");
});

test("changes the tables for many networks at once, with another daemon doing the same", async (undo) => {
  const [one, two] = [await startCni(undo), await startCni(undo)];
  const numbers = Array.from({ length: 12 }, (_, number) => number);
  const change = (daemon: typeof one, step: (number: number) => Promise<void>) =>
    Promise.all(numbers.map((number) => step(number))).then(() => daemon);
  const network = (number: number, id: string) => ({
    bridge: `bth${id.slice(0, 5)}n${number}`,
    subnet: `10.255.${number}.0/24`,
  });
  await Promise.all(
    [one, two].map((daemon) =>
      change(daemon, (number) => daemon.host.firewall.add(network(number, daemon.id)))
    ),
  );
  const { stdout } = await run("iptables-save", ["-t", "filter"]);
  for (const { id } of [one, two]) {
    assert.is(stdout.split("\n").filter((line) => line.startsWith(`-A BERTH-${id}-FWD`)).length, 12 + 7);
    assert.is(stdout.split("\n").filter((line) => line === `-A FORWARD -j BERTH-${id}-FWD`).length, 1);
  }
  await Promise.all(
    [one, two].map((daemon) =>
      change(daemon, (number) => daemon.host.firewall.remove(network(number, daemon.id).bridge))
    ),
  );
  const after = await run("iptables-save", []);
  for (const { id } of [one, two]) assert.not.match(after.stdout, id);
});
