/** Clients that vanish in the middle of something, and jobs that close in the middle of something. */
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { buildImage } from "../support/busybox-image.ts";
import { call, connected, must, open } from "../support/engine-api.ts";
import { startRegistry } from "../support/registry.ts";
import { assert, eventually, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const daemon = wire();
const createCat = { Image: "busybox", Cmd: ["cat"], OpenStdin: true };

test("a client that vanishes while pulling ends the pull alone", async (undo) => {
  const { socketPath, docker } = await daemon.job(undo, { image: null });
  const { port, connections } = await silentServer(undo);
  const abort = new AbortController();
  const pull = open(socketPath, "POST", `/images/create?fromImage=127.0.0.1:${port}/never&tag=1`, {
    signal: abort.signal,
  }).catch(() => undefined);
  await eventually("the daemon to ask the registry", () => connections.length > 0);
  abort.abort();
  await pull;
  await eventually(
    "the daemon to let go of the registry",
    () => connections.every((socket) => socket.destroyed),
  );
  const registry = await startRegistry(undo);
  await registry.push(await buildImage(), "app", "1");
  await docker.ok(["pull", `${registry.host}/app:1`]);
});

test("a client that vanishes while following logs leaves the container running", async (undo) => {
  const { socketPath, docker } = await daemon.job(undo);
  const id = await docker.ok(["run", "-d", "busybox", "sh", "-c", "while :; do echo line; sleep 0.05; done"]);
  const abort = new AbortController();
  const logs = await open(socketPath, "GET", `/containers/${id}/logs?stdout=1&follow=1`, {
    signal: abort.signal,
  });
  logs.on("error", () => {});
  await once(logs, "data");
  abort.abort();
  assert.is(await docker.ok(["inspect", "--format", "{{.State.Running}}", id]), "true");
  assert.match(await docker.ok(["logs", "--tail", "1", id]), "line");
});

test("a client that vanishes while attached leaves the container running", async (undo) => {
  const { socketPath, docker } = await daemon.job(undo);
  const { Id } = (await must(201, socketPath, "POST", "/containers/create", { body: createCat })).json;
  await must(204, socketPath, "POST", `/containers/${Id}/start`);
  const socket = await connected(socketPath);
  socket.write(
    `POST /containers/${Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: docker\r\n` +
      "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
  );
  const [head] = await once(socket, "data") as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 101 /);
  socket.destroy();
  assert.is(await docker.ok(["inspect", "--format", "{{.State.Running}}", Id]), "true");
});

test("a client that vanishes while loading leaves no image", async (undo) => {
  const { socketPath, docker } = await daemon.job(undo, { image: null });
  const socket = await connected(socketPath);
  socket.write(
    "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: 9999999\r\n\r\n",
  );
  socket.write(Buffer.alloc(100_000));
  socket.destroy();
  await must(200, socketPath, "GET", "/_ping");
  assert.is(await docker.ok(["images", "-aq"]), "");
});

test("closing a job ends those who wait, follow and attach", async (undo) => {
  const job = await daemon.job(undo);
  const id = await job.docker.ok(["run", "-d", "busybox", "sleep", "1000"]);
  const waiting = call(job.socketPath, "POST", `/containers/${id}/wait`).catch(() => undefined);
  const following = job.docker.run(["logs", "-f", id]);
  const attached = job.docker.run(["attach", id]);
  await must(200, job.socketPath, "GET", "/_ping");
  await job.close();
  await Promise.all([waiting, following, attached]);
});

test("closing a job while containers start leaves nothing of them", async (undo) => {
  const job = await daemon.job(undo);
  const starts = Array.from({ length: 4 }, () => job.docker.run(["run", "-d", "busybox", "sleep", "1000"]));
  await eventually("the first container", async () => {
    return (await must(200, job.socketPath, "GET", "/containers/json?all=1")).json.length > 0;
  });
  await job.close();
  await Promise.all(starts);
});

test("closing a job twice is one close, and its id is free again", async (undo) => {
  const server = await daemon.daemon();
  const job = await daemon.job(undo);
  await Promise.all([server.closeJob(job.id), server.closeJob(job.id)]);
  const again = await server.job(undo, { id: job.id });
  assert.is((await call(again.socketPath, "GET", "/_ping")).text, "OK");
});

/** A server that takes connections and never says a word. */
async function silentServer(undo: { add(what: string, run: () => unknown): void }) {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    connections.push(socket);
    socket.on("error", () => {}).resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.add("silent server", () => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, connections };
}

daemon.leavesNothing();
