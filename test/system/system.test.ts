import type { Reply } from "../../core/kernel/reply.ts";
import type { PluginDirectory } from "../../core/kernel/tokens.ts";
import { silent } from "../../core/support/logger.ts";
import type { Job } from "../../core/kernel/job.ts";
import { InfoFacts } from "../../plugins/system/info.ts";
import { Ping } from "../../plugins/system/ping.ts";
import { VersionFacts } from "../../plugins/system/version.ts";
import { facts } from "../support/facts.ts";
import { assert, test } from "../support/test.ts";

const plugins: PluginDirectory = {
  list: () => [],
  describe: async () => [
    { id: "containerd", version: "1.6.20", details: { runc: "1.1.5" }, warnings: ["something is odd"] },
    { id: "images" },
  ],
};

const job: Job = {
  id: "j1",
  labels: {},
  dir: "/nonexistent/j1",
  socketPath: "/nonexistent/d.sock",
  openedAt: new Date(0),
  signal: new AbortController().signal,
  log: silent,
  abandoned: false,
};

type Body = Record<string, unknown>;

function bodyOf(reply: Reply): Body {
  if (reply.kind !== "json") throw new Error(`expected JSON, got ${reply.kind}`);
  return reply.body as Body;
}

test("answers a ping at once, with the classic builder's version", () => {
  const pong = new Ping().get();
  assert.is(pong.kind === "text" && pong.body, "OK");
  assert.is(pong.kind === "text" && pong.headers?.["Builder-Version"], "1");
  assert.is(new Ping().head().kind, "empty");
});

test("tells its version and those of what stands behind it", async () => {
  const body = bodyOf(await new VersionFacts(facts({ version: "1.2.3" }), plugins).show());
  assert.is(body.Version, "1.2.3");
  assert.is(body.ApiVersion, "1.51");
  assert.is(body.MinAPIVersion, "1.24");
  const [engine, containerd, ...rest] = body.Components as Body[];
  assert.equal(engine?.Name, "Engine");
  assert.is(engine?.Version, "1.2.3");
  assert.equal(containerd, {
    Name: "containerd",
    Version: "1.6.20",
    Details: { GitCommit: "", runc: "1.1.5" },
  });
  assert.equal(rest, []);
});

test("counts what the job has, and passes warnings on", async () => {
  const containers = { counts: () => ({ running: 2, paused: 1, stopped: 3 }) };
  const images = { imageCount: () => 4 };
  const body = bodyOf(await new InfoFacts(facts(), job, plugins, containers, images).show());
  assert.equal(
    [body.Containers, body.ContainersRunning, body.ContainersPaused, body.ContainersStopped, body.Images],
    [6, 2, 1, 3, 4],
  );
  assert.equal(body.Warnings, ["something is odd"]);
  assert.equal(body.RuncCommit, { ID: "1.1.5" });
  assert.is(body.OSType, "linux");
  assert.ok((body.MemTotal as number) > 0 && (body.NCPU as number) > 0);
});

test("answers info when neither images nor containers are there", async () => {
  const body = bodyOf(await new InfoFacts(facts(), job, plugins, undefined, undefined).show());
  assert.is(body.Containers, 0);
  assert.is(body.Images, 0);
});
