/** The leak check itself: it must see what it is there for. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { privatePaths } from "../../plugins/containerd/supervisor-config.ts";
import { connected } from "../support/engine-api.ts";
import { assert, rejection, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const daemon = wire();
const snapshotter = "overlayfs";

test("sees what a job left in containerd", async (undo) => {
  const server = await daemon.daemon();
  const { address } = privatePaths(join(server.dataDir, "containerd"));
  const connection = new ContainerdConnection({ address, namespace: "berth" });
  undo.add("connection", () => connection.close());
  const { containers, leases, snapshots } = connection;
  await leases.create({ id: "left-lease" });
  undo.add("lease", () => leases.delete({ id: "left-lease", sync: true }));
  await snapshots.prepare({ snapshotter, key: "left-snapshot" }, {
    headers: { "containerd-lease": "left-lease" },
  });
  undo.add("snapshot", () => snapshots.remove({ snapshotter, key: "left-snapshot" }));
  const spec = {
    typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
    value: Buffer.from("{}"),
  };
  const container = { id: "left-container", runtime: { name: "io.containerd.runc.v2" }, spec };
  await containers.create({ container });
  undo.add("container", () => containers.delete({ id: "left-container" }));
  const { message } = await rejection(server.leavesNothing(100));
  for (const left of ["container: left-container", "lease: left-lease", "active snapshot: left-snapshot"]) {
    assert.match(message, left);
  }
});

test("sees files of jobs and pipes that nobody took away", async (undo) => {
  const server = await daemon.daemon();
  const { dataDir } = server;
  await mkdir(join(dataDir, "jobs", "left"), { recursive: true });
  undo.add("job's directory", () => rm(join(dataDir, "jobs", "left"), { recursive: true }));
  for (let index = 0; index < 40; index++) {
    const path = join(dataDir, "containerd/pipes", `left-${index}`);
    await writeFile(path, "");
    undo.add(path, () => rm(path));
  }
  const { message } = await rejection(server.leavesNothing(100));
  assert.match(message, "file: jobs/left");
  assert.match(message, /file: \d+ pipes in containerd\/pipes/);
});

test("sees descriptors that stay open in the daemon and in containerd", async (undo) => {
  const server = await daemon.daemon();
  const { dataDir } = server;
  for (const path of [join(dataDir, "control.sock"), privatePaths(join(dataDir, "containerd")).address]) {
    for (let index = 0; index < 3; index++) {
      const socket = await connected(path);
      undo.add("connection", () => socket.destroy());
    }
  }
  const { message } = await rejection(server.leavesNothing(100));
  assert.match(message, /open descriptor of daemon: socket: \d more/);
  assert.match(message, /open descriptor of containerd: socket: 3 more/);
});

daemon.leavesNothing();
