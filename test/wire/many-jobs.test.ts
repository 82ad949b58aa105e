/** Many jobs at once, and the same work many times over: what it costs, and that nothing of it stays. */
import { once } from "node:events";
import { daemonId } from "../../core/daemon/daemon.ts";
import type { TestDaemon } from "../support/daemon.ts";
import { addedDescriptors, containerdOf, countDescriptors } from "../support/descriptors.ts";
import { call, connected, must, open } from "../support/engine-api.ts";
import { engineThings } from "../support/engine-things.ts";
import { differences, snapshotHost } from "../support/leaks.ts";
import { residentBytes } from "../support/processes.ts";
import { assert, eventually, test } from "../support/test.ts";
import { size, wire, type WireJob } from "../support/wire.ts";

const daemon = wire();

test("idle jobs cost little memory, open fast and close without a trace", async (undo) => {
  const server = await daemon.daemon();
  const count = size(1000, 100);
  const startedAt = performance.now();
  for (let index = 0; index < count; index++) await server.job(undo, { id: `idle-${index}` });
  const eachMs = (performance.now() - startedAt) / count;
  const { jobs } = await server.control.listJobs({});
  assert.is(jobs.length, count);
  await must(200, jobs.at(-1)!.socketPath, "GET", "/_ping");
  const megabytes = (residentBytes(server.pid) + residentBytes(containerdOf(server.dataDir)!)) / 1e6;
  process.stdout.write(
    `${count} idle jobs: ${megabytes.toFixed(0)} MB in all, ${eachMs.toFixed(1)} ms to open one\n`,
  );
  assert.ok(megabytes < 250, `${megabytes} MB`);
  // The measured figure is in the benchmarks; this only catches an order of magnitude, on a busy machine too.
  assert.ok(eachMs < 100, `${eachMs} ms for each job`);
  for (const { id } of jobs) await server.closeJob(id);
  await server.leavesNothing();
});

test("jobs that come and go leave nothing in the daemon that stays", async (undo) => {
  const server = await daemon.daemon();
  for (let round = 0; round < 5; round++) {
    const jobs = await Promise.all([daemon.job(undo), daemon.job(undo)]);
    await Promise.all(jobs.map(work));
    await Promise.all(jobs.map((job) => job.close()));
    await server.leavesNothing();
  }
});

test("a job that stays holds no more for the same work done again", async (undo) => {
  const server = await daemon.daemon();
  const job = await daemon.job(undo);
  await work(job);
  const before = await look(server);
  for (let round = 0; round < 5; round++) await work(job);
  let more: string[] = [];
  await eventually("the work's traces to go", async () => {
    const now = await look(server);
    more = [
      ...addedDescriptors(before.descriptors, now.descriptors),
      ...now.things.filter((thing) => !before.things.includes(thing)),
      ...differences(before.host, now.host).filter((line) => !line.includes("/containerd/pipes/")),
    ];
    return more.length === 0;
  }).catch(() => assert.equal(more, []));
});

/** What jobs do all day, the failures and the clients that vanish included. */
async function work({ socketPath, docker }: WireJob): Promise<void> {
  await docker.ok(["run", "--rm", "busybox", "echo", "hello"]);
  const id = await docker.ok(["run", "-d", "busybox", "sh", "-c", "while :; do echo line; sleep 0.05; done"]);
  await vanishWhile(socketPath, "GET", `/containers/${id}/logs?stdout=1&follow=1`);
  await vanishWhile(socketPath, "POST", `/containers/${id}/wait`);
  await vanishAttached(socketPath, id);
  await must(400, socketPath, "POST", "/containers/create", {
    body: { Image: "busybox", HostConfig: { Binds: ["/:/x"] } },
  });
  assert.is((await docker.run(["run", "--rm", "busybox", "no-such-command"])).code, 127);
  await call(socketPath, "POST", "/images/create?fromImage=127.0.0.1:1/nothing&tag=1");
  await call(socketPath, "POST", "/images/load", { body: Buffer.alloc(10_000, "x") });
  await docker.ok(["rm", "-f", id]);
}

async function vanishWhile(socketPath: string, method: string, path: string): Promise<void> {
  const abort = new AbortController();
  const response = await open(socketPath, method, path, { signal: abort.signal });
  response.on("error", () => {});
  abort.abort();
}

async function vanishAttached(socketPath: string, id: string): Promise<void> {
  const socket = await connected(socketPath);
  socket.write(
    `POST /containers/${id}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: docker\r\n` +
      "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
  );
  await once(socket, "data");
  socket.destroy();
}

async function look({ pid, dataDir }: TestDaemon) {
  return {
    descriptors: await countDescriptors(pid, dataDir),
    things: await engineThings(dataDir),
    host: await snapshotHost({ directories: [dataDir], daemonIds: [daemonId(dataDir)] }),
  };
}

daemon.leavesNothing();
