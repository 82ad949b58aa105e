/** A containerd that somebody else runs: `address` in the config. */
import { daemonId } from "../../core/daemon/daemon.ts";
import { ContainerdConnection } from "../../plugins/containerd/connection.ts";
import { privatePaths } from "../../plugins/containerd/supervisor-config.ts";
import { containerdDirectory, supervisorFor } from "../containerd/store-containerd.ts";
import { imageArchive } from "../support/busybox-image.ts";
import { startDaemon } from "../support/daemon.ts";
import { Docker } from "../support/docker-cli.ts";
import { must } from "../support/engine-api.ts";
import { assert, test } from "../support/test.ts";

test("runs containers in a namespace of its own, and leaves the containerd running and clean", async (undo) => {
  const directory = await containerdDirectory(undo);
  const { supervisor, connection } = supervisorFor(undo, directory);
  await supervisor.open();
  const { address } = privatePaths(directory);
  const daemon = await startDaemon(undo, { config: `[plugins.containerd]\naddress = "${address}"` });
  const job = await daemon.job(undo);
  await must(200, job.socketPath, "POST", "/images/load?quiet=1", { body: await imageArchive() });
  const docker = new Docker(job.socketPath);
  assert.is(await docker.ok(["run", "--rm", "busybox", "echo", "from outside"]), "from outside");
  const ours = new ContainerdConnection({ address, namespace: `berth-${daemonId(daemon.dataDir)}` });
  undo.add("connection to our namespace", () => ours.close());
  await docker.ok(["run", "--detach", "busybox", "sleep", "1000"]);
  assert.is((await ours.tasks.list({})).tasks.length, 1);
  await job.close();
  assert.equal((await ours.tasks.list({})).tasks, []);
  assert.equal((await ours.containers.list({})).containers, []);
  assert.is(await daemon.stop(), 0);
  assert.match((await connection.version.version({})).version, /^\d/);
});
