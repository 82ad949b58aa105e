/** dockerode: a client library that uses unversioned paths and its own way to attach. */
import Dockerode from "dockerode";
import { PassThrough } from "node:stream";
import { assert, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const daemon = wire();

test("runs a container and separates its streams", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const client = new Dockerode({ socketPath });
  const [stdout, stderr] = [collector(), collector()];
  const command = ["sh", "-c", "echo out; echo err >&2; exit 3"];
  const [status, container] = await client.run("busybox", command, [stdout.stream, stderr.stream], {
    Tty: false,
  });
  assert.is(status.StatusCode, 3);
  assert.is(stdout.text(), "out\n");
  assert.is(stderr.text(), "err\n");
  await container.remove();
});

test("lists, inspects and reads logs", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const client = new Dockerode({ socketPath });
  const container = await client.createContainer({ Image: "busybox", Cmd: ["echo", "logged"], name: "one" });
  await container.start();
  await container.wait();
  assert.is((await container.inspect()).State.ExitCode, 0);
  assert.match((await container.logs({ stdout: true, follow: false })).toString(), "logged\n");
  const [listed] = await client.listContainers({ all: true });
  assert.equal(listed!.Names, ["/one"]);
  const [image] = await client.listImages();
  assert.equal(image!.RepoTags, ["busybox:latest"]);
});

test("follows a container from before its start to its end", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const client = new Dockerode({ socketPath });
  const container = await client.createContainer({
    Image: "busybox",
    Cmd: ["cat"],
    OpenStdin: true,
    StdinOnce: true,
  });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
  const output = collector();
  container.modem.demuxStream(stream, output.stream, new PassThrough());
  await container.start();
  stream.end("through the pipe\n");
  assert.is((await container.wait()).StatusCode, 0);
  await new Promise((resolve) => stream.once("close", resolve).resume());
  assert.is(output.text(), "through the pipe\n");
});

test("tells errors apart by status", async (undo) => {
  const { socketPath } = await daemon.job(undo);
  const client = new Dockerode({ socketPath });
  const failure = await client.getContainer("nosuch").inspect().then(() => undefined, (error) => error);
  assert.is(failure.statusCode, 404);
  assert.is(failure.json.message, "No such container: nosuch");
});

function collector() {
  const chunks: Buffer[] = [];
  const stream = new PassThrough().on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

daemon.leavesNothing();
