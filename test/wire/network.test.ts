/** Containers' networks: the way out, siblings, the caller's own namespace, and no way into another job. */
import { execFile, execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { promisify } from "node:util";
import type { Undo } from "../../core/support/undo.ts";
import { assert, eventually, test } from "../support/test.ts";
import { wire, type WireJob } from "../support/wire.ts";

const daemon = wire();
const execute = promisify(execFile);
const address = ["inspect", "--format", "{{.NetworkSettings.IPAddress}}"];

test("a container reaches the host through its gateway", async (undo) => {
  const { docker } = await daemon.job(undo);
  const port = await hostServer(undo, "hello from the host");
  await docker.ok(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
  const gateway = await docker.ok(["inspect", "--format", "{{.NetworkSettings.Gateway}}", "box"]);
  assert.match(gateway, /^\d+\.\d+\.\d+\.\d+$/);
  const fetched = await docker.ok([
    "run",
    "--rm",
    "busybox",
    "wget",
    "-q",
    "-O",
    "-",
    `http://${gateway}:${port}/`,
  ]);
  assert.is(fetched, "hello from the host");
  await docker.ok(["run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", gateway]);
});

test("inspect tells the truth about the container's address", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["run", "--name", "shows", "busybox", "ip", "-4", "-o", "addr", "show", "eth0"]);
  await docker.ok(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
  const ip = await docker.ok([...address, "box"]);
  const siblings = await docker.ok(["run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", ip]);
  assert.match(siblings, "1 packets received");
  assert.match(await docker.ok(["logs", "shows"]), /inet \d+\.\d+\.\d+\.\d+\/\d+/);
});

test("no container reaches another job's", async (undo) => {
  const one = await daemon.job(undo);
  const two = await daemon.job(undo);
  const ip = await webServer(one, "web");
  await expectFetch(one, ip, "served");
  const blocked = await two.docker.run(["run", "--rm", "busybox", ...fetching(ip)]);
  assert.is.not(blocked.code, 0);
  const pinged = await two.docker.run(["run", "--rm", "busybox", "ping", "-c", "1", "-W", "2", ip]);
  assert.is.not(pinged.code, 0);
});

test("the caller's namespace joins its job, and no other", async (undo) => {
  const [inside, outside] = [await namespace(undo, "in"), await namespace(undo, "out")];
  const one = await daemon.job(undo, { callerNetns: `/run/netns/${inside}` });
  const two = await daemon.job(undo, { callerNetns: `/run/netns/${outside}` });
  const ip = await webServer(one, "web");
  await webServer(two, "other");
  assert.is(await fetchFrom(inside, ip), "served");
  await expectFetch(one, ip, "served");
  assert.is(await fetchFrom(outside, ip).catch(() => "unreachable"), "unreachable");
});

test("a namespace that joined is given back as it was", async (undo) => {
  const name = await namespace(undo, "back");
  const links = () => execFileSync("ip", ["-n", name, "-o", "link"], { encoding: "utf8" }).split("\n").length;
  const before = links();
  const job = await daemon.job(undo, { callerNetns: `/run/netns/${name}` });
  await webServer(job, "web");
  await job.close();
  assert.is(links(), before);
});

test("a container with --network none has loopback alone", async (undo) => {
  const { docker } = await daemon.job(undo);
  const links = await docker.ok(["run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"]);
  assert.is(links, "lo");
});

test("two jobs' containers have addresses of different subnets", async (undo) => {
  const [one, two] = [await daemon.job(undo), await daemon.job(undo)];
  const ips = [await webServer(one, "web"), await webServer(two, "web")];
  const subnets = ips.map((ip) => ip.split(".").slice(0, 3).join("."));
  assert.is.not(subnets[0], subnets[1]);
});

/**
 * Fetches within three seconds or fails. wget's own limit (-T) crashes in Debian's static build, and as first process
 * of its container it would not listen to `timeout`: hence the shell around both.
 */
const fetching = (ip: string) => ["sh", "-c", `timeout 3 wget -q -O - http://${ip}/; exit $?`];

/** Starts a container that serves `served` and waits until it does; returns its address. */
async function webServer({ docker }: WireJob, name: string): Promise<string> {
  const script = "mkdir /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www";
  await docker.ok(["run", "-d", "--name", name, "busybox", "sh", "-c", script]);
  const ip = await docker.ok([...address, name]);
  assert.match(ip, /^\d+\.\d+\.\d+\.\d+$/);
  return ip;
}

async function expectFetch({ docker }: WireJob, ip: string, expected: string): Promise<void> {
  const command = ["run", "--rm", "busybox", ...fetching(ip)];
  await eventually(
    `${ip} to serve`,
    async () => (await docker.run(command)).stdout.trim() === expected,
    20_000,
  );
}

async function fetchFrom(namespaceName: string, ip: string): Promise<string> {
  const program = ["timeout", "3", "/bin/busybox", "wget", "-q", "-O", "-", `http://${ip}/`];
  const command = ["netns", "exec", namespaceName, ...program];
  return (await execute("ip", command)).stdout.trim();
}

/** A network namespace as a container's would be: loopback, and nothing of the host. */
async function namespace(undo: Undo, label: string): Promise<string> {
  const name = `berth-test-${process.pid}-${label}`;
  await execute("ip", ["netns", "add", name]);
  undo.add(`namespace ${name}`, () => execute("ip", ["netns", "del", name]));
  await execute("ip", ["-n", name, "link", "set", "lo", "up"]);
  return name;
}

async function hostServer(undo: Undo, text: string): Promise<number> {
  const server = createServer((_, response) => response.end(text));
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  undo.add("host server", () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

daemon.leavesNothing();
