/** Logging in to a real registry with the docker CLI, and what a job may have after it. */
import type { Undo } from "../../core/support/undo.ts";
import { buildImage } from "../support/busybox-image.ts";
import { call } from "../support/engine-api.ts";
import { registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { assert, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const daemon = wire();

async function privateImage(undo: Undo) {
  const { host, push } = await startRegistry(undo, { auth: true });
  const digest = await push(await buildImage({ files: { "/private": { content: host } } }), "app", "1");
  return { host, digest, image: `${host}/app` };
}

const pull = (socketPath: string, image: string, headers: Record<string, string> = {}) =>
  call(socketPath, "POST", `/images/create?fromImage=${image}&tag=1`, { headers });

test("docker login makes the job's requests without credentials come in that name, and no other job's", async (undo) => {
  const { host, digest, image } = await privateImage(undo);
  const [job, other] = [await daemon.job(undo, { image: null }), await daemon.job(undo, { image: null })];
  const refused = await pull(job.socketPath, image);
  assert.match(refused.json.message as string, /no basic auth credentials$/);

  const login = ["login", "--username", registryUser, "--password", registryPassword, host];
  assert.match(await job.docker.ok(login), "Login Succeeded");
  const pulled = await pull(job.socketPath, image);
  assert.is(pulled.status, 200);
  assert.match(pulled.text, digest);
  const described = await call(job.socketPath, "GET", `/distribution/${image}:1/json`);
  assert.is((described.json.Descriptor as { digest: string }).digest, digest);

  const nobody: Record<string, string> = { "X-Registry-Auth": btoa("{}") };
  for (const headers of [{}, nobody]) {
    assert.is((await pull(other.socketPath, image, headers)).status, 500);
  }
  // A client that says it is nobody is nobody, logged in or not.
  const asNobody = await pull(job.socketPath, image, nobody);
  assert.match(asNobody.json.message as string, /no basic auth credentials$/);
  await job.docker.run(["logout", host]);
});

test("what a request brings for several registries counts for its own, in a pull and in a push", async (undo) => {
  const { host, image } = await privateImage(undo);
  const { socketPath } = await daemon.job(undo, { image: null });
  const credentials = { username: registryUser, password: registryPassword };
  const config = { [host]: credentials, "other.example": { username: "other", password: "other" } };
  const headers = { "X-Registry-Config": Buffer.from(JSON.stringify(config)).toString("base64url") };
  const pulled = await pull(socketPath, image, headers);
  assert.is(pulled.status, 200, pulled.text);
  const push = `/images/${image}/push?tag=1`;
  assert.match((await call(socketPath, "POST", push)).text, /no basic auth credentials/);
  assert.match((await call(socketPath, "POST", push, { headers })).text, /1: digest: sha256:[0-9a-f]{64}/);
});

test("a wrong password is refused, kept by nobody and written nowhere", async (undo) => {
  const { host, image } = await privateImage(undo);
  const { socketPath, docker } = await daemon.job(undo, { image: null });
  const wrong = "not-the-password";
  const refused = await docker.run(["login", "--username", registryUser, "--password", wrong, host]);
  assert.match(refused.stderr, `login attempt to http://${host}/v2/ failed with status: 401 Unauthorized`);
  assert.is((await pull(socketPath, image)).status, 500);
  const log = await (await daemon.daemon()).log();
  for (const secret of [wrong, registryPassword, btoa(`${registryUser}:${registryPassword}`)]) {
    assert.not.match(log, secret);
  }
});

daemon.leavesNothing();
