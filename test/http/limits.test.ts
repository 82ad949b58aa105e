import { json, later, stream } from "../../core/kernel/reply.ts";
import { assert, eventually, test } from "../support/test.ts";
import { ask, serve, type TestRoute, Wire } from "./serve.ts";

const create: TestRoute = {
  at: "POST /containers/create",
  answer: async (request) => json(await request.json() ?? null),
};
const type = { "Content-Type": "application/json" };

test("refuses a header over the limit with 431 that names the limit", async (undo) => {
  const served = await serve(undo, [create], { limits: { headerBytes: 4_096 } });
  const wire = new Wire(undo, served, `GET /x HTTP/1.1\r\nHost: d\r\nX: ${"y".repeat(10_000)}\r\n\r\n`);
  const received = await wire.until();
  assert.match(received, /^HTTP\/1.1 431 Request Header Fields Too Large\r\nApi-Version: 1.51\r\n/);
  assert.match(received, /larger than 4096 bytes \(http.headerBytes\)"}\n$/);
});

test("refuses a JSON body over the limit with 413 before it is sent", async (undo) => {
  const served = await serve(undo, [create], { limits: { jsonBodyBytes: 2_048 } });
  const wire = new Wire(
    undo,
    served,
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 999999999\r\n\r\n",
  );
  assert.match(
    await wire.until("}\n"),
    /^HTTP\/1.1 413 .*larger than 2048 bytes \(http.jsonBodyBytes\)"}\n$/s,
  );
});

test("refuses a chunked JSON body with 413 as soon as it is too large", async (undo) => {
  const served = await serve(undo, [create], { limits: { jsonBodyBytes: 2_048 } });
  const wire = new Wire(
    undo,
    served,
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n",
  );
  wire.socket.write(`1000\r\n${"x".repeat(4_096)}\r\n`);
  assert.match(await wire.until("}\n"), /^HTTP\/1.1 413 /);
});

test("keeps the connection usable after a refused body was sent all the same", async (undo) => {
  const served = await serve(undo, [create], { limits: { jsonBodyBytes: 2_048 } });
  const body = "x".repeat(300_000);
  const head = `POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: ${body.length}\r\n\r\n`;
  const wire = new Wire(undo, served, head + body);
  await wire.until(/413 [^]*}\n/);
  wire.socket.write("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}");
  await wire.until(/200 OK[^]*{}\n/);
});

test("refuses malformed JSON, other types and trailing content with 400 in Docker's words", async (undo) => {
  const served = await serve(undo, [create]);
  const message = async (body: string, headers: Record<string, string> = type) => {
    const answer = await ask(served, "POST", "/containers/create", { body, headers });
    assert.is(answer.status, 400);
    return (JSON.parse(answer.body) as { message: string }).message;
  };
  assert.match(await message("{bad"), /^invalid JSON: /);
  assert.is(await message("[".repeat(2_000) + "]".repeat(2_000)), "invalid JSON: exceeded max depth");
  assert.is(
    (await ask(served, "POST", "/containers/create", { body: JSON.stringify("[".repeat(2_000)) })).status,
    200,
  );
  assert.match(await message("["), /^invalid JSON: /);
  assert.match(await message("[".repeat(100_000)), /^invalid JSON: /);
  assert.is(await message("{} trailing"), "unexpected content after JSON");
  assert.is(
    await message("{}", { "Content-Type": "text/plain" }),
    "unsupported Content-Type header (text/plain): must be 'application/json'",
  );
});

test("takes an empty body as none", async (undo) => {
  const served = await serve(undo, [create]);
  assert.is((await ask(served, "POST", "/containers/create")).body, "null\n");
  assert.is((await ask(served, "POST", "/containers/create", { body: " \n", headers: type })).body, "null\n");
});

test("answers 408 to a header that is sent too slowly", async (undo) => {
  const served = await serve(undo, [create], { limits: { headerTimeoutMs: 200 } });
  const wire = new Wire(undo, served, "GET /info HTTP/1.1\r\nHo");
  assert.match(await wire.until(), /^HTTP\/1.1 408 .*within 200 ms \(http.headerTimeoutMs\)"}\n$/s);
});

test("answers 408 to a JSON body that stands still", async (undo) => {
  const served = await serve(undo, [create], { limits: { requestIdleTimeoutMs: 200 } });
  const wire = new Wire(
    undo,
    served,
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\n{",
  );
  assert.match(await wire.until("}\n"), /^HTTP\/1.1 408 .*no byte of the request body came for 200 ms"}\n$/s);
});

test("answers 408 to an upload that stands still while it is waited for, not to a slow handler", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /images/load",
    kind: "stream",
    answer: async ({ body }) => {
      let size = 0;
      for await (const chunk of body) {
        size += chunk.length;
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      return json({ size });
    },
  }], { limits: { uploadIdleTimeoutMs: 200 } });
  assert.is((await ask(served, "POST", "/images/load", { body: "whole" })).body, '{"size":5}\n');
  const wire = new Wire(
    undo,
    served,
    "POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\nhalf",
  );
  assert.match(await wire.until("}\n"), /^HTTP\/1.1 408 /);
});

test("answers 503 on connections above the limit, and serves the others", async (undo) => {
  const served = await serve(undo, [create], { limits: { maxConnections: 2 } });
  const head = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}";
  const first = new Wire(undo, served, head);
  const second = new Wire(undo, served, head);
  await first.until("{}\n");
  await second.until("{}\n");
  const third = new Wire(undo, served, head);
  assert.match(await third.until(), /^HTTP\/1.1 503 .*more than 2 connections are open/s);
  first.socket.destroy();
  await eventually("room for another", async () => {
    const again = new Wire(undo, served, head);
    return /200 OK/.test(await again.until(/HTTP[^]*}\n/));
  });
});

test("refuses an expectation it does not know with a message", async (undo) => {
  const served = await serve(undo, [create]);
  const wire = new Wire(undo, served, "GET /containers/create HTTP/1.1\r\nHost: d\r\nExpect: tea\r\n\r\n");
  assert.match(await wire.until("}\n"), /^HTTP\/1.1 417 [^]*{"message":"the only expectation known/);
});

test("cuts a connection that pipelines requests without end", async (undo) => {
  const never: TestRoute = { at: "GET /wait", answer: untilGone };
  const served = await serve(undo, [never, create], { limits: { maxConnections: 2 } });
  const flood = new Wire(undo, served, "GET /wait HTTP/1.1\r\nHost: d\r\n\r\n".repeat(9));
  await flood.until();
  await eventually("an answer to somebody else", async () => {
    const answer = await ask(served, "POST", "/containers/create").catch(() => undefined);
    return answer?.status === 200;
  });
});

/** An answer that comes no more. */
const untilGone: TestRoute["answer"] = ({ signal }) =>
  later(new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))));

test("streams an upload with back-pressure instead of holding it", async (undo) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  const served = await serve(undo, [{
    at: "POST /images/load",
    kind: "stream",
    answer: async ({ body }) => {
      await released;
      let size = 0;
      for await (const chunk of body) size += chunk.length;
      return json({ size });
    },
  }]);
  const total = 32 * 1024 * 1024;
  const wire = new Wire(
    undo,
    served,
    `POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: ${total}\r\n\r\n`,
  );
  wire.socket.write(new Uint8Array(total));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(wire.socket.writableLength > 0, "the whole upload was taken before anybody read it");
  release();
  await wire.until(`{"size":${total}}`);
});

test("answers when the handler leaves an upload half read", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /images/load",
    kind: "stream",
    answer: async ({ body }) => {
      for await (const _ of body) break;
      return json({ enough: true }, 400);
    },
  }]);
  const answer = await ask(served, "POST", "/images/load", { body: new Uint8Array(3_000_000) });
  assert.equal([answer.status, answer.body], [400, '{"enough":true}\n']);
});

test("does not take an upload that nobody reads for ever", async (undo) => {
  const served = await serve(undo, []);
  const wire = new Wire(
    undo,
    served,
    "POST /nothing HTTP/1.1\r\nHost: d\r\nContent-Length: 9999999999\r\n\r\n",
  );
  await wire.until("page not found");
  const piece = new Uint8Array(1_000_000);
  await eventually("the connection to be cut", () => {
    if (wire.socket.writableLength < 4_000_000) wire.socket.write(piece);
    return wire.ended || wire.closed;
  });
});

test("invites the body only when somebody reads it", async (undo) => {
  const served = await serve(undo, [create, {
    at: "POST /build",
    kind: "stream",
    answer: () => stream("text/plain", (async function* () {})()),
  }]);
  const head = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
  const reads = new Wire(undo, served, head("/containers/create"));
  await reads.until("100 Continue\r\n\r\n");
  reads.socket.write("{}");
  await reads.until("200 OK");
  for (const path of ["/build", "/nothing"]) {
    const ignores = new Wire(undo, served, head(path));
    assert.not.match(await ignores.until(), /100 Continue/);
    assert.match(ignores.received, /Connection: close/);
  }
});

for (
  const [what, request] of [
    ["a malformed request line", "G<>T / HTTP/1.1\r\n\r\n"],
    ["a NUL in the path", "GET /a\0b HTTP/1.1\r\nHost: d\r\n\r\n"],
    ["two lengths", "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a negative length", "POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n"],
  ] as const
) {
  test(`answers 400 to ${what} and closes`, async (undo) => {
    const served = await serve(undo, [create]);
    const wire = new Wire(undo, served, request);
    const received = await wire.until();
    assert.match(received, /^HTTP\/1.1 400 Bad Request\r\nApi-Version: 1.51\r\n/);
    assert.match(received, /{"message":"malformed HTTP request: .+"}\n$/);
  });
}
