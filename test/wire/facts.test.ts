/** What the docker CLI shows of the daemon, and the lists that people look at first. */
import { assert, test } from "../support/test.ts";
import { testWithEachCli, wire } from "../support/wire.ts";

const daemon = wire();

testWithEachCli(
  "version tells what serves, and speaks the CLI's API version or its own",
  async (undo, binary) => {
    const { docker } = await daemon.job(undo, { binary, image: null });
    const format = "{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}";
    assert.is(await docker.ok(["version", "--format", format]), "1.51 1.24 linux");
    const whole = await docker.ok(["version"]);
    for (const words of ["Client", "Server", "containerd"]) assert.match(whole, words);
  },
);

testWithEachCli("info counts this job's containers and images", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  await docker.ok(["run", "-d", "busybox", "sleep", "1000"]);
  await docker.ok(["create", "busybox"]);
  const counts = "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}} {{.OSType}}";
  assert.is(await docker.ok(["info", "--format", counts]), "2 1 1 1 linux");
  assert.match(await docker.ok(["info"]), "Storage Driver");
});

testWithEachCli("ps and images list this job's, as tables", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary });
  const other = await daemon.job(undo);
  await other.docker.ok(["run", "-d", "--name", "hidden", "busybox", "sleep", "1000"]);
  await docker.ok(["run", "-d", "--name", "shown", "busybox", "sleep", "1000"]);
  const [head, ...rows] = (await docker.ok(["ps"])).split("\n");
  assert.match(head!, /^CONTAINER ID\s+IMAGE\s+COMMAND\s+CREATED\s+STATUS\s+PORTS\s+NAMES$/);
  assert.is(rows.length, 1);
  assert.match(rows[0]!, /^[0-9a-f]{12}\s+busybox\s+"sleep 1000"\s+.*Up .*shown$/);
  assert.match(await docker.ok(["images"]), /^busybox\s+latest\s+[0-9a-f]{12} /m);
});

test("inspect finds containers and images by name, and says what it does not find", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["create", "--name", "one", "--label", "a=1", "busybox"]);
  assert.is(await docker.ok(["inspect", "--format", "{{.Name}} {{.Config.Labels.a}}", "one"]), "/one 1");
  assert.is(await docker.ok(["image", "inspect", "--format", "{{.Os}}", "busybox"]), "linux");
  const missing = await docker.run(["inspect", "nothing"]);
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /no such object: nothing/i);
});

daemon.leavesNothing();
