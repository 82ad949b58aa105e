/** Images with the docker CLI: from a registry, from an archive, and what can be done with them. */
import { buildImage, imageArchive } from "../support/busybox-image.ts";
import { must } from "../support/engine-api.ts";
import { registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { assert, test } from "../support/test.ts";
import { testWithEachCli, wire } from "../support/wire.ts";

const daemon = wire();

testWithEachCli("pulls from a registry and runs what it pulled", async (undo, binary) => {
  const registry = await startRegistry(undo);
  const digest = await registry.push(await buildImage(), "team/app", "1.0");
  const { docker } = await daemon.job(undo, { binary, image: null });
  const reference = `${registry.host}/team/app:1.0`;
  const printed = await docker.ok(["pull", reference]);
  assert.match(printed, `Digest: ${digest}`);
  assert.match(printed, `Status: Downloaded newer image for ${reference}`);
  assert.match(await docker.ok(["pull", reference]), `Status: Image is up to date for ${reference}`);
  assert.is(await docker.ok(["run", "--rm", reference, "echo", "pulled"]), "pulled");
});

testWithEachCli("pulls by itself when a container's image is missing", async (undo, binary) => {
  const registry = await startRegistry(undo);
  await registry.push(await buildImage(), "app", "latest");
  const { docker } = await daemon.job(undo, { binary, image: null });
  const { code, stdout, stderr } = await docker.run(["run", "--rm", `${registry.host}/app`, "echo", "ran"]);
  assert.is(code, 0, stderr);
  assert.is(stdout, "ran\n");
  assert.match(stderr, `Unable to find image '${registry.host}/app:latest' locally`);
});

testWithEachCli("pulls with the credentials that the CLI keeps, and not without", async (undo, binary) => {
  const registry = await startRegistry(undo, { auth: true });
  await registry.push(await buildImage(), "private", "1");
  const { docker } = await daemon.job(undo, { binary, image: null });
  const refused = await docker.run(["pull", `${registry.host}/private:1`]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /no basic auth credentials|unauthorized|denied/);
  docker.keepCredentials(registry.host, registryUser, registryPassword);
  await docker.ok(["pull", `${registry.host}/private:1`]);
  assert.is(await docker.ok(["run", "--rm", `${registry.host}/private:1`, "echo", "in"]), "in");
});

testWithEachCli("logs in with docker login, and not with a wrong password", async (undo, binary) => {
  const registry = await startRegistry(undo, { auth: true });
  await registry.push(await buildImage(), "private", "1");
  const { docker } = await daemon.job(undo, { binary, image: null });
  const login = ["login", "-u", registryUser, "--password-stdin", registry.host];
  assert.is((await docker.run(login, { stdin: "wrong" })).code, 1);
  assert.match(await docker.ok(login, { stdin: registryPassword }), "Login Succeeded");
  await docker.ok(["pull", `${registry.host}/private:1`]);
});

test("wrong credentials are 401, which makes the CLI ask for others", async (undo) => {
  const registry = await startRegistry(undo, { auth: true });
  const { socketPath } = await daemon.job(undo, { image: null });
  const credentials = { username: registryUser, password: "wrong", serveraddress: registry.host };
  const headers = { "X-Registry-Auth": btoa(JSON.stringify(credentials)) };
  const path = `/images/create?fromImage=${registry.host}/private&tag=1`;
  assert.match((await must(401, socketPath, "POST", path, { headers })).json.message, "unauthorized");
});

test("another job pulls a private image only with credentials of its own", async (undo) => {
  const registry = await startRegistry(undo, { auth: true });
  await registry.push(await buildImage(), "secret", "1");
  const [one, two] = [await daemon.job(undo, { image: null }), await daemon.job(undo, { image: null })];
  one.docker.keepCredentials(registry.host, registryUser, registryPassword);
  await one.docker.ok(["pull", `${registry.host}/secret:1`]);
  assert.is((await two.docker.run(["pull", `${registry.host}/secret:1`])).code, 1);
  assert.is(await two.docker.ok(["images", "-q"]), "");
});

test("says what a registry does not have", async (undo) => {
  const registry = await startRegistry(undo);
  const { docker } = await daemon.job(undo, { image: null });
  const { code, stderr } = await docker.run(["pull", `${registry.host}/nothing:here`]);
  assert.is(code, 1);
  assert.match(stderr, /manifest unknown|not found/);
});

test("pulls by digest", async (undo) => {
  const registry = await startRegistry(undo);
  const digest = await registry.push(await buildImage(), "app", "1");
  const { docker } = await daemon.job(undo, { image: null });
  await docker.ok(["pull", `${registry.host}/app@${digest}`]);
  assert.is(
    await docker.ok(["run", "--rm", `${registry.host}/app@${digest}`, "echo", "same bytes"]),
    "same bytes",
  );
});

testWithEachCli("loads, lists, tags, inspects and removes", async (undo, binary) => {
  const { docker } = await daemon.job(undo, { binary, image: null });
  const recipe = { tags: ["loaded:1"], config: { Cmd: ["sh"], Env: ["A=b"], Labels: { team: "x" } } };
  const { id } = await buildImage(recipe);
  assert.is(await docker.ok(["load"], { stdin: await imageArchive(recipe) }), "Loaded image: loaded:1");
  await docker.ok(["tag", "loaded:1", "other/name:2"]);
  const listed = await docker.ok(["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
  assert.equal(listed.split("\n").sort(), [`loaded:1 ${id}`, `other/name:2 ${id}`]);
  assert.is(
    await docker.ok(["inspect", "--format", "{{.Id}} {{.Config.Env}} {{.Config.Labels.team}}", "loaded:1"]),
    `${id} [A=b] x`,
  );
  assert.is(await docker.ok(["rmi", "loaded:1"]), "Untagged: loaded:1");
  assert.is(await docker.ok(["run", "--rm", "other/name:2", "echo", "still there"]), "still there");
  assert.match(await docker.ok(["rmi", "other/name:2"]), `Deleted: ${id}`);
  assert.is(await docker.ok(["images", "-aq"]), "");
});

test("finds an image by its ID and by the ID's beginning", async (undo) => {
  const { docker } = await daemon.job(undo);
  const id = await docker.ok(["images", "-q", "--no-trunc"]);
  assert.is(await docker.ok(["run", "--rm", id, "echo", "whole"]), "whole");
  assert.is(await docker.ok(["run", "--rm", id.slice(7, 19), "echo", "short"]), "short");
});

test("refuses to remove an image that a container uses", async (undo) => {
  const { docker } = await daemon.job(undo);
  await docker.ok(["run", "-d", "--name", "user", "busybox", "sleep", "1000"]);
  const refused = await docker.run(["rmi", "busybox"]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /conflict: unable to (remove repository reference|delete)/);
  await docker.ok(["rm", "-f", "user"]);
  await docker.ok(["rmi", "busybox"]);
});

test("shows files of every layer, later ones over earlier ones", async (undo) => {
  const files = {
    "/etc/passwd": { content: "root:x:0:0::/:/bin/sh\n" },
    "/app/tool": { content: "#!/bin/sh\necho ran\n", mode: 0o755 },
  };
  const { docker } = await daemon.job(undo, { image: { files } });
  assert.is(await docker.ok(["run", "--rm", "busybox", "/app/tool"]), "ran");
  assert.is(await docker.ok(["run", "--rm", "busybox", "wc", "-l", "/etc/passwd"]), "1 /etc/passwd");
});

test("refuses an archive that is none, and the job goes on", async (undo) => {
  const { docker } = await daemon.job(undo, { image: null });
  assert.is((await docker.run(["load"], { stdin: "this is no tar archive".repeat(100) })).code, 1);
  await docker.ok(["load"], { stdin: await imageArchive() });
});

daemon.leavesNothing();
