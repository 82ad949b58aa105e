import { type Connection, hijack, json } from "../../core/kernel/reply.ts";
import { conflict, notFound } from "../../core/support/errors.ts";
import { assert, eventually, test } from "../support/test.ts";
import { ask, serve, upgradeHead, Wire } from "./serve.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const rawStream = "application/vnd.docker.raw-stream";

/** Sends back what came in, then says goodbye. */
const echo = async ({ input, write }: Connection) => {
  for await (const chunk of input) await write(chunk);
  await write(bytes("<bye>"));
};

test("takes a connection over and answers 101 with Docker's headers", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /containers/{id}/attach",
    kind: "hijack",
    answer: () => hijack(rawStream, ({ write }) => write(bytes("output"))),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/v1.44/containers/x/attach?stream=1"));
  const received = await wire.until();
  assert.match(received, /^HTTP\/1.1 101 UPGRADED\r\n/);
  assert.match(received, /\r\nContent-Type: application\/vnd.docker.raw-stream\r\n/);
  assert.match(received, /\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/);
  assert.match(received, /\r\nApi-Version: 1.51\r\n/);
  assert.ok(received.endsWith("\r\n\r\noutput"));
});

test("half-closes: the client's end of input does not stop the output", async (undo) => {
  let ended = false;
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () =>
      hijack(rawStream, async ({ input, write }) => {
        let got = "";
        for await (const chunk of input) got += new TextDecoder().decode(chunk);
        ended = true;
        await released;
        await write(bytes(`late ${got}`));
      }),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  await wire.until("101 UPGRADED");
  wire.socket.end("input");
  await eventually("the input to end", () => ended);
  release();
  assert.ok((await wire.until()).endsWith("late input"));
});

test("half-closes: the end of output reaches a client that still sends", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => hijack(rawStream, async () => {}),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  await wire.until();
  assert.is(wire.ended, true);
  wire.socket.end();
  await eventually("the connection to close", () => wire.closed);
});

test("gets input that came in one piece with the header", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => hijack(rawStream, echo),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x") + "early ");
  await wire.until("early ");
  wire.socket.end("late");
  assert.ok((await wire.until()).endsWith("early late<bye>"));
});

for (const [how, split] of [["with the header", 0], ["after the header", 1], ["in two pieces", 2]] as const) {
  test(`reads a JSON body that comes ${how}, then the input behind it`, async (undo) => {
    const served = await serve(undo, [{
      at: "POST /exec/{id}/start",
      kind: "hijack",
      answer: async (request) => {
        const body = await request.json<{ Tty: boolean }>();
        return hijack(rawStream, async (connection) => {
          await connection.write(bytes(`Tty=${body?.Tty} `));
          await echo(connection);
        });
      },
    }]);
    const body = '{"Tty":true}';
    const type = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    const head = upgradeHead("/exec/x/start", type);
    const pieces = split === 0
      ? [head + body]
      : split === 1
      ? [head, body]
      : [head + body.slice(0, 5), body.slice(5)];
    const wire = new Wire(undo, served);
    for (const piece of pieces) {
      wire.socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await wire.until("Tty=true ");
    wire.socket.end("input");
    assert.ok((await wire.until()).endsWith("Tty=true input<bye>"));
  });
}

test("keeps a declared body that the handler did not read out of the input", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => hijack(rawStream, echo),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x", "Content-Length: 2\r\n") + "{}input");
  wire.socket.end();
  assert.ok((await wire.until()).endsWith("\r\n\r\ninput<bye>"));
});

test("takes chunked as an announcement of bare input", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => hijack(rawStream, echo),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x", "Transfer-Encoding: chunked\r\n"));
  await wire.until("101 UPGRADED");
  wire.socket.end("bare");
  assert.ok((await wire.until()).endsWith("bare<bye>"));
});

test("answers an error before the takeover as an ordinary response", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => Promise.reject(conflict("container x is not running")),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  const received = await wire.until();
  assert.match(received, /^HTTP\/1.1 409 Conflict\r\n/);
  assert.ok(received.endsWith('{"message":"container x is not running"}\n'));
});

test("answers upgrades on other routes as if nobody had asked for one", async (undo) => {
  const served = await serve(undo, [
    { at: "GET /info", answer: () => json({ big: "x".repeat(500_000) }) },
    { at: "POST /containers/create", answer: async (request) => json(await request.json()) },
  ]);
  const info = new Wire(undo, served, upgradeHead("/info", "", "TLS/1.2").replace("POST", "GET"));
  assert.match(await info.until(), /^HTTP\/1.1 200 OK\r\n/);
  assert.ok(info.received.length > 500_000);
  const grpc = new Wire(undo, served, upgradeHead("/grpc", "", "h2c"));
  assert.match(await grpc.until(), /^HTTP\/1.1 501 Not Implemented\r\n/);
  const create = new Wire(
    undo,
    served,
    upgradeHead("/containers/create", "Content-Length: 7\r\n", "h2c") + '{"a":1}',
  );
  assert.ok((await create.until()).endsWith('{"a":1}\n'));
});

test("without an upgrade the request's body is the input and chunks are the output", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => hijack(rawStream, echo),
  }]);
  const answer = await ask(served, "POST", "/x", { body: "input" });
  assert.equal([answer.status, answer.body], [200, "input<bye>"]);
  assert.is(answer.headers["content-type"], rawStream);
});

test("carries 20 MB both ways intact and in order", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () => hijack(rawStream, echo),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  await wire.until("\r\n\r\n");
  const headLength = wire.received.length;
  const piece = Buffer.alloc(1_000_000, "0123456789");
  for (let at = 0; at < 20; at++) {
    if (!wire.socket.write(piece)) await new Promise((resolve) => wire.socket.once("drain", resolve));
  }
  wire.socket.end();
  await wire.until(undefined, 60_000);
  const output = wire.received.slice(headLength);
  assert.is(output.length, 20_000_005);
  assert.is(output.slice(0, 20_000_000), "0123456789".repeat(2_000_000));
});

test("tells the handler when the client vanishes in the middle", async (undo) => {
  let reason: Error | undefined;
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () =>
      hijack(rawStream, ({ signal }) =>
        new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            reason = signal.reason;
            resolve();
          })
        )),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  await wire.until("101 UPGRADED");
  wire.socket.destroy();
  // A vanished client looks like a half-closed one until something is written to it, and Deno skips empty writes.
  if (!("Deno" in globalThis)) await eventually("the signal to fire", () => reason?.name === "ClientGone");
});

test("rejects a write to a client that is gone", async (undo) => {
  let failure: unknown;
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () =>
      hijack(rawStream, async ({ write }) => {
        try {
          for (;;) {
            await write(bytes("tick"));
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        } catch (error) {
          failure = error;
        }
      }),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  await wire.until("tick");
  wire.socket.destroy();
  const error = await eventually("the write to fail", () => failure as Error | undefined);
  assert.is(error.name, "ClientGone");
});

test("cuts the connection when the handler fails after the takeover", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /x",
    kind: "hijack",
    answer: () =>
      hijack(rawStream, async ({ write }) => {
        await write(bytes("some"));
        throw notFound("gone");
      }),
  }]);
  const wire = new Wire(undo, served, upgradeHead("/x"));
  await wire.until();
  assert.not.match(wire.received, /404/);
});
