import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pause } from "../../core/support/deadline.ts";
import { run } from "../../core/support/spawn.ts";
import { Undo } from "../../core/support/undo.ts";
import type { JobNetwork } from "../../plugins/containerd/backend.ts";
import { jobCgroup, unifiedCgroups } from "../../plugins/containerd/containers/cgroups.ts";
import type { ContainerdEngine } from "../../plugins/containerd/containers/engine.ts";
import type { ContainerSpec } from "../../plugins/containers/backend.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { collector, type Rig, specOf, startRig } from "./tasks-support.ts";

// One containerd for the whole file; the last test stops it.
const whole = new Undo("containerd");
let shared: Promise<Rig> | undefined;
const theRig = () => shared ??= startRig(whole);

const sigkill = 9;
const kindOf = (error: Error) => (error as { kind?: string }).kind;
const shell = (script: string) => ["sh", "-c", script];

/** Runs a script to its end: exit code and what it printed. */
async function runScript(
  engine: ContainerdEngine,
  rig: Rig,
  script: string,
  parts: Partial<ContainerSpec> = {},
) {
  const spec = specOf(rig.image, shell(script), parts);
  await engine.create(spec);
  const { texts, sink } = collector();
  const exit = await (await engine.start(spec.id, sink)).exited;
  return { spec, ...exit, ...texts };
}

/** Starts a container that runs until it is killed, and waits for its first words. */
async function stay(engine: ContainerdEngine, rig: Rig, parts: Partial<ContainerSpec> = {}) {
  const spec = specOf(rig.image, shell("echo ready; exec sleep 1000"), parts);
  await engine.create(spec);
  const { texts, sink } = collector();
  const running = await engine.start(spec.id, sink);
  await eventually("the container's first words", () => texts.stdout.includes("ready"));
  return { spec, running };
}

/** What containerd, the cgroups and the shims still have of a job. */
async function remainsOf(rig: Rig, jobId: string): Promise<string[]> {
  const filters = [`labels."berth/job"=="${jobId}"`];
  const { containers } = await rig.connection.containers.list({ filters });
  const names = containers.map(({ id }) => `container ${id}`);
  for await (const page of rig.connection.snapshots.list({ snapshotter: "overlayfs", filters })) {
    names.push(...page.info.map(({ name }) => `snapshot ${name}`));
  }
  const cgroup = jobCgroup(rig.daemonId, jobId);
  for (const hierarchy of ["", ...await readdir("/sys/fs/cgroup")]) {
    const dir = join("/sys/fs/cgroup", hierarchy, cgroup);
    if (existsSync(dir)) names.push(dir);
  }
  return names;
}

test("gives a process Docker's environment, names and files", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "environment");
  const { stdout } = await runScript(
    engine,
    rig,
    "tr '\\0' '\\n' < /proc/1/environ; hostname; cat /proc/sys/kernel/domainname /etc/hostname; cat /etc/hosts | tail -1; " +
      "grep -c nameserver /etc/resolv.conf; grep CapEff /proc/self/status; df -k /dev/shm | tail -1 | awk '{print $2}'; " +
      "wc -c < /proc/keys; touch /proc/sys/kernel/hostname 2>&1 | grep -o Read-only; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
    { hostname: "box", domainname: "example.test", env: ["A=1", "PATH=/bin", "B=2"] },
  );
  assert.equal(stdout.trim().split("\n"), [
    "PATH=/bin",
    "HOSTNAME=box",
    "A=1",
    "B=2",
    "HOME=/root",
    "box",
    "example.test",
    "box",
    "ff02::2\tip6-allrouters",
    "1",
    "CapEff:\t00000000a80425fb",
    "65536",
    "0",
    "Read-only",
    "0",
  ]);
});

test("makes the working directory when the image lacks it", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "workdir");
  const { stdout } = await runScript(engine, rig, "pwd; stat -c %u:%g .", {
    workingDir: "/a/b",
    user: "1000",
  });
  assert.is(stdout, "/a/b\n0:0\n");
});

test("runs as the user that the image's files name, with that user's groups", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "users");
  const cases = { "worker": "1234:1235:1235 1236:/home", "worker:0": "1234:0:0:/home", "7:8": "7:8:8:/" };
  for (const [user, expected] of Object.entries(cases)) {
    const script = 'echo $(id -u):$(id -g):$(grep Groups /proc/self/status | cut -f2 | sed "s/ *$//"):$HOME';
    const { stdout } = await runScript(engine, rig, script, { user });
    assert.is(stdout.trim(), expected, user);
  }
});

test("gives a terminal its size, raw bytes and one stream", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "terminal");
  const spec = specOf(
    rig.image,
    shell("stty size; echo $TERM; echo err >&2; read x; echo got $x; stty size"),
    {
      tty: true,
      openStdin: true,
      consoleSize: { columns: 91, rows: 17 },
    },
  );
  await engine.create(spec);
  const { texts, sink } = collector();
  const running = await engine.start(spec.id, sink);
  await eventually("the terminal's first words", () => texts.stdout.includes("err"));
  assert.is(texts.stdout, "17 91\r\nxterm\r\nerr\r\n");
  await running.resize({ columns: 40, rows: 10 });
  await running.writeStdin(Buffer.from("hello\n"));
  assert.is((await running.exited).code, 0);
  assert.match(texts.stdout, /got hello\r\n10 40\r\n$/);
  assert.is(texts.stderr, "");
});

test("hands over ten megabytes whole, whatever the sink's pace", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "volume");
  const spec = specOf(rig.image, shell("head -c 10000000 /dev/zero"));
  await engine.create(spec);
  let total = 0;
  const running = await engine.start(spec.id, async (_stream, chunk) => {
    if (total < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 1));
    total += chunk.length;
  });
  assert.is((await running.exited).code, 0);
  assert.is(total, 10_000_000);
});

test("tells when the kernel killed a container for want of memory", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "memory");
  const spec = specOf(rig.image, shell("echo ready; read x; exec tail /dev/zero"), { openStdin: true });
  await engine.create(spec);
  const { texts, sink } = collector();
  const running = await engine.start(spec.id, sink);
  await eventually("the container's first words", () => texts.stdout.includes("ready"));
  const cgroup = `${jobCgroup(rig.daemonId, "memory")}/${spec.id}`;
  const limit = unifiedCgroups()
    ? `/sys/fs/cgroup${cgroup}/memory.max`
    : `/sys/fs/cgroup/memory${cgroup}/memory.limit_in_bytes`;
  await writeFile(limit, String(20 * 1024 * 1024));
  await running.writeStdin(Buffer.from("go\n"));
  const exit = await running.exited;
  assert.is(exit.oomKilled, true);
  assert.is(exit.code, 137);
});

test("lends a namespace for a run, tells the container its address, and gives it back", async (undo) => {
  const rig = await theRig();
  const name = `berth-${rig.daemonId}`;
  await run("ip", ["netns", "add", name]);
  undo.add("namespace", () => run("ip", ["netns", "delete", name]));
  await run("ip", ["-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]);
  const attachment = {
    namespacePath: `/run/netns/${name}`,
    ipAddress: "10.9.8.7",
    prefixLength: 24,
    gateway: "10.9.8.1",
    macAddress: "02:00:00:00:00:01",
  };
  const calls: string[] = [];
  const network: JobNetwork = {
    lend: (id) => {
      calls.push(`lend ${id.length}`);
      return Promise.resolve(attachment);
    },
    giveBack: (given) => {
      calls.push(`back ${given.ipAddress}`);
      return Promise.resolve();
    },
    prepare: () => void calls.push("prepare"),
    nameservers: ["10.9.8.1"],
  };
  const engine = await rig.engine(undo, "network", { network });
  const script = "ls /sys/class/net | tr '\\n' ' '; tail -1 /etc/hosts; cat /etc/resolv.conf | head -1";
  const { stdout, spec } = await runScript(engine, rig, script, { network: "bridge", hostname: "box" });
  assert.is(stdout, "eth0 eth1 lo 10.9.8.7\tbox\nnameserver 10.9.8.1\n");
  await engine.remove(spec.id);
  assert.equal(calls, ["prepare", "lend 64", "back 10.9.8.7"]);

  const bad = specOf(rig.image, ["nosuchcommand"], { network: "bridge" });
  await engine.create(bad);
  await rejection(engine.start(bad.id, () => {}));
  assert.is(calls.at(-1), "back 10.9.8.7");
});

test("says which plugin is missing when there is no network to run in", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "nonet");
  const spec = specOf(rig.image, ["true"], { network: "bridge" });
  await engine.create(spec);
  const error = await rejection(engine.start(spec.id, () => {}));
  assert.is(kindOf(error), "unavailable");
  assert.match(error.message, /cni plugin/);
});

test("keeps containers from system calls that the seccomp profile refuses", async (undo) => {
  const rig = await theRig();
  const path = join(rig.dir, "seccomp.json");
  const refusal = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 };
  await writeFile(path, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [refusal] }));
  const host = rig.anotherHost([], { seccompProfile: path });
  undo.add("second host", () => host.close());
  await host.open();
  const engine = await rig.engine(undo, "seccomp", { host });
  const { stderr, code } = await runScript(engine, rig, "touch /fine && mkdir /dir");
  assert.match(stderr, "Operation not permitted");
  assert.is(code, 1);
});

test("keeps two jobs' containers apart: closing one leaves the other's running", async (undo) => {
  const rig = await theRig();
  const [one, two] = [await rig.engine(undo, "apart1"), await rig.engine(undo, "apart2")];
  const first = await stay(one, rig);
  const second = await stay(two, rig);
  await stay(one, rig);
  assert.is(kindOf(await rejection(two.start(first.spec.id, () => {}))), "not-found");
  await one.close();
  assert.is((await first.running.exited).code, 137);
  assert.equal(await remainsOf(rig, "apart1"), []);
  const state = await rig.connection.tasks.get({ containerId: second.spec.id });
  assert.is(state.process?.pid, second.running.processId);
  await two.close();
  await two.close();
  assert.equal(await remainsOf(rig, "apart2"), []);
  assert.is(kindOf(await rejection(two.create(specOf(rig.image, ["true"])))), "conflict");
});

test("closes a job whose output nobody takes", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "stuck");
  const spec = specOf(rig.image, shell("yes"));
  await engine.create(spec);
  let called: () => void = () => {};
  const first = new Promise<void>((resolve) => called = resolve);
  const running = await engine.start(spec.id, () => {
    called();
    return new Promise<void>(() => {});
  });
  await first;
  await engine.close();
  assert.is((await running.exited).code, 137);
  assert.equal(await remainsOf(rig, "stuck"), []);
});

test("closing during a start leaves nothing", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "hurry");
  const specs = Array.from({ length: 3 }, () => specOf(rig.image, ["sleep", "1000"]));
  for (const spec of specs) await engine.create(spec);
  const starts = specs.map((spec) => engine.start(spec.id, () => {}).catch(() => undefined));
  await engine.close();
  for (const running of await Promise.all(starts)) await running?.exited;
  assert.equal(await remainsOf(rig, "hurry"), []);
});

test("containers of a job share one shim, which ends with the last", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "shims");
  const containers = [await stay(engine, rig), await stay(engine, rig), await stay(engine, rig)];
  const parents = await Promise.all(containers.map(({ running }) => parentOf(running.processId ?? 0)));
  assert.is(new Set(parents).size, 1);
  for (const { running, spec } of containers) {
    await running.kill(sigkill);
    await running.exited;
    await engine.remove(spec.id);
  }
  await eventually("the shim's end", async () => !await commandOf(parents[0] ?? 0));
});

test("commands that run one after the other share a shim too", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "sequence");
  const parents = [];
  for (let round = 0; round < 2; round++) {
    const { running } = await stay(engine, rig);
    parents.push(await parentOf(running.processId ?? 0));
    await running.kill(sigkill);
    await running.exited;
  }
  assert.is(parents[0], parents[1]);
});

test("starting while the last other container goes never meets a shim that ends", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "relay");
  const specs = Array.from({ length: 8 }, () => specOf(rig.image, ["true"]));
  for (const spec of specs) await engine.create(spec);
  for (const spec of specs) assert.is((await (await engine.start(spec.id, () => {})).exited).code, 0);
});

test("containers of one shim that end together are all removed", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "together");
  for (let round = 0; round < 3; round++) {
    const containers = await Promise.all(Array.from({ length: 4 }, () => stay(engine, rig)));
    await Promise.all(containers.map(async ({ spec, running }) => {
      await running.kill(sigkill);
      await running.exited;
      await engine.remove(spec.id);
    }));
  }
  assert.equal((await remainsOf(rig, "together")).filter((name) => !name.startsWith("/sys")), []);
});

test("a close finds what a killed daemon left, though this one never saw it", async (undo) => {
  const rig = await theRig();
  const before = await rig.engine(new Undo("a killed daemon's engine"), "left");
  const running = await stay(before, rig);
  await before.create(specOf(rig.image, ["true"]));
  const after = await rig.engine(undo, "left", { abandoned: true });
  await after.close();
  assert.equal(await remainsOf(rig, "left"), []);
  assert.is((await running.running.exited).code, 137);
});

test("a daemon that starts sweeps containers of jobs that are no more, and no others", async (undo) => {
  const rig = await theRig();
  const gone = await rig.engine(undo, "gone");
  const kept = await rig.engine(undo, "kept");
  await stay(gone, rig);
  const { spec } = await stay(kept, rig);
  const host = rig.anotherHost(["kept"]);
  undo.add("second host", () => host.close());
  await host.open();
  assert.equal((await remainsOf(rig, "gone")).filter((name) => !name.startsWith("/sys")), []);
  assert.ok((await remainsOf(rig, "kept")).includes(`container ${spec.id}`));
});

test("exits that happen while containerd is dead are found when it is back", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "outage");
  const spec = specOf(rig.image, shell("echo ready; read x; exit 7"), { openStdin: true });
  await engine.create(spec);
  const { texts, sink } = collector();
  const running = await engine.start(spec.id, sink);
  await eventually("the container's first words", () => texts.stdout.includes("ready"));
  const { spec: other, running: survivor } = await stay(engine, rig);
  const next = specOf(rig.image, ["true"]);
  const back = new Promise<void>((resolve) => undo.add("listener", rig.connection.onRestart(resolve)));
  process.kill(rig.supervisor.pid ?? 0, "SIGKILL");
  const error = await eventually(
    "the outage",
    () => engine.create(next).then(() => undefined, (thrown) => thrown),
  );
  assert.is(kindOf(error as Error), "unavailable");
  await running.writeStdin(Buffer.from("go\n"));
  await back;
  assert.is((await running.exited).code, 7);
  await survivor.kill(sigkill);
  assert.is((await survivor.exited).code, 137);
  await engine.remove(other.id);
  await eventually("a container that works again", async () => {
    const again = await runScript(engine, rig, "echo works").catch(() => undefined);
    return again?.stdout === "works\n";
  });
});

test("a containerd that dies during a start leaves a container that can be started or removed", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "midway");
  const specs: ContainerSpec[] = [];
  for (const momentMs of [15, 40, 80]) {
    const spec = specOf(rig.image, shell("exit 7"));
    specs.push(spec);
    await engine.create(spec);
    const back = new Promise<void>((resolve) => undo.add("listener", rig.connection.onRestart(resolve)));
    const starting = engine.start(spec.id, () => {}).catch((error: Error) => error);
    await pause(momentMs);
    process.kill(rig.supervisor.pid ?? 0, "SIGKILL");
    const outcome = await starting;
    await back;
    if (outcome instanceof Error) {
      assert.is(kindOf(outcome), "unavailable", outcome.message);
      assert.is((await (await engine.start(spec.id, () => {})).exited).code, 7);
    } else {
      // Killed together with the engine that was to tell, it may also count as killed.
      assert.ok([7, 137].includes((await outcome.exited).code));
    }
  }
  for (const { id } of specs) await engine.remove(id);
  assert.equal((await remainsOf(rig, "midway")).filter((name) => !name.startsWith("/sys")), []);
});

test("many containers run at once with the file system still answering", async (undo) => {
  const rig = await theRig();
  const engine = await rig.engine(undo, "many");
  const count = process.env.BERTH_TEST_FULL ? 200 : 40;
  const ready = new Set<string>();
  const specs = Array.from(
    { length: count },
    () => specOf(rig.image, shell("echo ready; exec sleep 1000"), { openStdin: true }),
  );
  const waiting = [...specs];
  const starter = async () => {
    for (let spec = waiting.pop(); spec; spec = waiting.pop()) {
      const { id } = spec;
      await engine.create(spec);
      await engine.start(id, () => void ready.add(id));
    }
  };
  await Promise.all([starter(), starter(), starter()]);
  await eventually("the words of all containers", () => ready.size === count);
  const file = join(rig.dir, "answer");
  await writeFile(file, "here");
  const texts = await Promise.all(Array.from({ length: 20 }, () => readFile(file, "utf8")));
  assert.ok(texts.every((text) => text === "here"));
  const { stdout } = await runScript(engine, rig, "echo one more");
  assert.is(stdout, "one more\n");
  await engine.close();
  assert.equal(await remainsOf(rig, "many"), []);
});

test("containerd stops without a trace", () => whole.run());

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

const commandOf = (pid: number) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
