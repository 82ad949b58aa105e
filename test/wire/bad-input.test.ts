/** What a job may send and must not get away with; and what looks odd and is fine. */
import { Agent } from "node:http";
import { call, connected, exchange, must } from "../support/engine-api.ts";
import { assert, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const daemon = wire({
  config: "[http]\nheaderTimeoutMs = 1000\nrequestIdleTimeoutMs = 1000\njsonBodyBytes = 65536\n",
});
const json = { "Content-Type": "application/json" };

test("an unknown route is 404, a known one that nothing serves 501 with the plugin's name", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  assert.is((await must(404, socketPath, "GET", "/no/such/route")).json.message, "page not found");
  const volumes = await must(501, socketPath, "GET", "/v1.43/volumes");
  assert.match(volumes.json.message, "volumes");
  const named = await must(501, socketPath, "GET", "/volumes/v1.24");
  assert.match(named.json.message, "volumes");
});

test("any version prefix is served", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  for (const prefix of ["/v9.99", "/v1.24", "/v1.51", ""]) {
    const { headers } = await must(200, socketPath, "GET", `${prefix}/containers/json`);
    assert.is(headers["api-version"], "1.51");
  }
});

test("malformed JSON is 400, an oversized body 413", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const malformed = { body: Buffer.from("{not json"), headers: json };
  await must(400, socketPath, "POST", "/containers/create", malformed);
  const oversized = { body: { Image: "busybox", Env: ["A=" + "x".repeat(100_000)] } };
  await must(413, socketPath, "POST", "/containers/create", oversized);
  await must(200, socketPath, "GET", "/_ping");
});

test("unknown images and containers are 404 in Docker's words", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const create = await must(404, socketPath, "POST", "/containers/create", { body: { Image: "nosuch:tag" } });
  assert.is(create.json.message, "No such image: nosuch:tag");
  const inspect = await must(404, socketPath, "GET", "/images/nosuch:tag/json");
  assert.match(inspect.json.message, "No such image: nosuch:tag");
  const start = await must(404, socketPath, "POST", "/containers/nosuch/start");
  assert.is(start.json.message, "No such container: nosuch");
});

test("a name that is taken is 409, naming its owner", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const path = "/containers/create?name=taken";
  const first = await must(201, socketPath, "POST", path, { body: { Image: "busybox" } });
  const second = await must(409, socketPath, "POST", path, { body: { Image: "busybox" } });
  assert.is(
    second.json.message,
    `Conflict. The container name "/taken" is already in use by container "${first.json.Id}". ` +
      "You have to remove (or rename) that container to be able to reuse that name.",
  );
});

test("a field that is not honoured yet is refused by name", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  for (
    const [field, value] of [["Binds", ["/etc:/host"]], ["Memory", 1 << 28], ["PidsLimit", 5]] as const
  ) {
    const body = { Image: "busybox", HostConfig: { [field]: value } };
    const refused = await must(400, socketPath, "POST", "/containers/create", { body });
    assert.match(refused.json.message, `HostConfig.${field}`);
  }
  assert.equal((await must(200, socketPath, "GET", "/containers/json?all=1")).json, []);
});

test("what the policy refuses is 403, naming field and policy", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const body = { Image: "busybox", HostConfig: { Privileged: true } };
  const refused = await must(403, socketPath, "POST", "/containers/create", { body });
  assert.match(refused.json.message, /HostConfig\.Privileged.*policy\.privileged/);
});

test("half a request is timed out, and the job answers others meanwhile", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  const half = exchange(socketPath, "GET /_ping HTTP/1.1\r\nHost: docker\r\nX-Slow: ");
  const body = exchange(
    socketPath,
    "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n" +
      'Content-Length: 100\r\n\r\n{"Image"',
  );
  await must(200, socketPath, "GET", "/_ping");
  assert.match(await half, /^HTTP\/1\.1 408 /);
  assert.match(await body, /^HTTP\/1\.1 408 /);
});

test("garbage is 400 and closes the connection", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  assert.match(await exchange(socketPath, "\x16\x03\x01 this is no HTTP\r\n\r\n"), /^HTTP\/1\.1 400 /);
  await must(200, socketPath, "GET", "/_ping");
});

test("ten thousand requests go through one connection", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  const socket = await connected(socketPath);
  undo.add("connection", () => socket.destroy());
  const count = 10_000;
  const request = "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
  let [answered, text] = [0, ""];
  await new Promise<void>((resolve, reject) => {
    socket.once("close", () => reject(new Error(`closed after ${answered} answers`)));
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
      for (let end = text.indexOf("\r\n\r\nOK"); end >= 0; end = text.indexOf("\r\n\r\nOK")) {
        text = text.slice(end + 6);
        if (++answered === count) return resolve();
        socket.write(request);
      }
    });
    socket.write(request);
  });
  assert.is(answered, count);
});

test("two hundred connections are served at once", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  undo.add("connections", () => agent.destroy());
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => call(socketPath, "GET", "/containers/json", { agent })),
  );
  assert.ok(answers.every(({ status }) => status === 200));
});

test("every answer carries the headers that clients read", async (undo) => {
  const { socketPath } = await daemon.job(undo, { image: null });
  const ping = await must(200, socketPath, "HEAD", "/_ping");
  assert.is(ping.headers["api-version"], "1.51");
  assert.is(ping.headers["ostype"], "linux");
  assert.match(String(ping.headers["server"]), "Berth/");
  const missing = await must(404, socketPath, "GET", "/containers/nosuch/json");
  assert.is(missing.headers["api-version"], "1.51");
});

daemon.leavesNothing();
