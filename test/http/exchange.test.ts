import { empty, json, lines, stream, text } from "../../core/kernel/reply.ts";
import { conflict, internal, notFound } from "../../core/support/errors.ts";
import { assert, test } from "../support/test.ts";
import { ask, serve, Wire } from "./serve.ts";

const bytes = (value: string) => new TextEncoder().encode(value);

test("answers JSON with a newline and Docker's headers on every response", async (undo) => {
  const served = await serve(undo, [{ at: "GET /info", answer: () => json({ ID: "x" }) }]);
  for (const [path, status] of [["/info", 200], ["/nothing", 404], ["/v1.44/swarm", 501]] as const) {
    const answer = await ask(served, "GET", path);
    assert.is(answer.status, status);
    assert.is(answer.headers["api-version"], "1.51");
    assert.is(answer.headers["ostype"], "linux");
    assert.is(answer.headers["docker-experimental"], "false");
    assert.is(answer.headers["server"], "Berth/test (linux)");
    assert.is(answer.headers["content-type"], "application/json");
    assert.ok(answer.body.endsWith("}\n"));
  }
});

test("answers HEAD without a body", async (undo) => {
  const served = await serve(undo, [
    { at: "HEAD /_ping", answer: () => text("", 200, { "Builder-Version": "1" }) },
  ]);
  const answer = await ask(served, "HEAD", "/_ping");
  assert.is(answer.status, 200);
  assert.is(answer.body, "");
  assert.is(answer.headers["content-length"], "0");
  assert.is(answer.headers["builder-version"], "1");
  const missing = await ask(served, "HEAD", "/nothing");
  assert.is(missing.status, 404);
  assert.is(missing.body, "");
});

test("takes the outermost known error's status and words, and 500 with the text for any other", async (undo) => {
  const served = await serve(undo, [
    {
      at: "GET /known",
      answer: () => {
        throw new Error("wrapped", { cause: conflict("name is taken", notFound("inner")) });
      },
    },
    {
      at: "GET /unknown",
      answer: () => {
        throw new TypeError("x is not a function");
      },
    },
    { at: "GET /rejected", answer: () => Promise.reject(internal("engine said no")) },
  ]);
  assert.equal(await statusAndBody(served, "/known"), [409, '{"message":"name is taken"}\n']);
  assert.equal(await statusAndBody(served, "/unknown"), [500, '{"message":"x is not a function"}\n']);
  assert.equal(await statusAndBody(served, "/rejected"), [500, '{"message":"engine said no"}\n']);
});

test("logs a fault once, and an error of the client's not at all", async (undo) => {
  const logged: object[] = [];
  const log = { error: (fields: object) => logged.push(fields), warn() {}, info() {}, debug() {} };
  const served = await serve(undo, [
    { at: "GET /broken", answer: () => Promise.reject(new Error("broken")) },
    { at: "GET /missing", answer: () => Promise.reject(notFound("no such thing")) },
  ], { log: { ...log, child: () => ({ ...log, child: () => log as never }) } });
  await ask(served, "GET", "/broken");
  await ask(served, "GET", "/missing");
  assert.is(logged.length, 1);
});

test("answers 500 instead of a header with a line break in it", async (undo) => {
  const served = await serve(undo, [
    { at: "GET /info", answer: () => json({}, 200, { "X-Name": "a\r\nX-Injected: b" }) },
  ]);
  const answer = await ask(served, "GET", "/info");
  assert.is(answer.status, 500);
  assert.is(answer.headers["x-injected"], undefined);
});

test("sends 304 and 204 without a body", async (undo) => {
  const served = await serve(undo, [
    { at: "POST /none", answer: () => empty() },
    { at: "POST /same", answer: () => empty(304) },
  ]);
  for (const [path, status] of [["/none", 204], ["/same", 304]] as const) {
    const answer = await ask(served, "POST", path);
    assert.equal([answer.status, answer.body], [status, ""]);
    assert.is(answer.headers["content-length"], undefined);
  }
});

test("gives the handler params, query, headers, version and JSON body", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /images/{name...}/tag",
    answer: async (request) =>
      json({
        params: request.params,
        tag: request.query.text("tag"),
        version: request.version.toString(),
        path: request.path,
        header: request.headers["x-registry-auth"],
        body: await request.json(),
        again: await request.json(),
      }),
  }]);
  const answer = await ask(served, "POST", "/v1.44/images/a/b%3Ac/tag?tag=x%20y", {
    headers: { "X-Registry-Auth": "e30=", "Content-Type": "application/json" },
    body: '{"a":1}',
  });
  assert.equal(JSON.parse(answer.body), {
    params: { name: "a/b:c" },
    tag: "x y",
    version: "1.44",
    path: "/images/a/b%3Ac/tag",
    header: "e30=",
    body: { a: 1 },
    again: { a: 1 },
  });
});

test("shapes bodies down, newest first, for older clients only", async (undo) => {
  const add = (name: string) => (body: unknown) => ({
    ...body as object,
    [name]: Object.keys(body as object).length,
  });
  const shapes = [{ below: "1.50", shape: add("fifty") }, { below: "1.44", shape: add("fortyfour") }];
  const served = await serve(undo, [{ at: "GET /info", answer: () => json({ a: 0 }), shapes }]);
  const shaped = async (prefix: string) => JSON.parse((await ask(served, "GET", `${prefix}/info`)).body);
  assert.equal(await shaped(""), { a: 0 });
  assert.equal(await shaped("/v1.50"), { a: 0 });
  assert.equal(await shaped("/v1.49"), { a: 0, fifty: 1 });
  assert.equal(await shaped("/v1.43"), { a: 0, fifty: 1, fortyfour: 2 });
});

test("turns an error before the first piece into a status, for bytes and for lines", async (undo) => {
  async function* broken(): AsyncGenerator<never> {
    yield* [];
    throw notFound("No such image: x");
  }
  const served = await serve(undo, [
    { at: "GET /bytes", kind: "stream", answer: () => stream("application/x-tar", broken()) },
    { at: "GET /lines", kind: "stream", answer: () => lines(broken()) },
  ]);
  assert.equal(await statusAndBody(served, "/bytes"), [404, '{"message":"No such image: x"}\n']);
  assert.equal(await statusAndBody(served, "/lines"), [404, '{"message":"No such image: x"}\n']);
});

test("gives every error a message, also one that has none", async (undo) => {
  const fail = () => {
    throw new Error();
  };
  const served = await serve(undo, [{ at: "GET /x", answer: fail }]);
  const answer = await statusAndBody(served, "/x");
  assert.equal(answer, [500, '{"message":"the daemon failed and does not say why"}\n']);
});

test("ends lines that break in the middle with an error line, and cuts bytes", async (undo) => {
  async function* someLines() {
    yield { status: "one" };
    throw notFound("layer is gone");
  }
  async function* someBytes() {
    yield bytes("abc");
    throw new Error("disk is gone");
  }
  const served = await serve(undo, [
    { at: "GET /lines", kind: "stream", answer: () => lines(someLines()) },
    { at: "GET /bytes", kind: "stream", answer: () => stream("application/x-tar", someBytes()) },
  ]);
  const answer = await ask(served, "GET", "/lines");
  assert.is(
    answer.body,
    '{"status":"one"}\n{"errorDetail":{"message":"layer is gone"},"error":"layer is gone"}\n',
  );
  const wire = new Wire(undo, served, "GET /bytes HTTP/1.1\r\nHost: d\r\n\r\n");
  await wire.until();
  assert.match(wire.received, /^HTTP\/1.1 200 OK/);
  assert.not.match(wire.received, /0\r\n\r\n$/);
});

test("sends headers before the first line when told to flush", async (undo) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  const served = await serve(undo, [{
    at: "GET /events",
    kind: "stream",
    answer: () =>
      lines(
        (async function* () {
          await released;
          yield { late: true };
        })(),
        { flush: true },
      ),
  }]);
  const wire = new Wire(undo, served, "GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
  assert.match(await wire.until("\r\n\r\n"), /Content-Type: application\/json/);
  assert.not.match(wire.received, /late/);
  release();
  await wire.until('{"late":true}');
});

test("speaks HTTP/1.0: no chunks, and the connection ends with the body", async (undo) => {
  async function* two() {
    yield { a: 1 };
    yield { b: 2 };
  }
  const served = await serve(undo, [{ at: "GET /lines", kind: "stream", answer: () => lines(two()) }]);
  const wire = new Wire(undo, served, "GET /lines HTTP/1.0\r\n\r\n");
  const received = await wire.until();
  assert.ok(received.endsWith('\r\n\r\n{"a":1}\n{"b":2}\n'));
  assert.not.match(received, /chunked/i);
});

test("holds a fast producer back while the client does not read", async (undo) => {
  let produced = 0;
  async function* endless() {
    for (;;) {
      produced += 65_536;
      yield new Uint8Array(65_536);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const served = await serve(undo, [{
    at: "GET /tar",
    kind: "stream",
    answer: () => stream("application/x-tar", endless()),
  }]);
  const wire = new Wire(undo, served, "GET /tar HTTP/1.1\r\nHost: d\r\n\r\n");
  await wire.until("\r\n\r\n");
  wire.socket.pause();
  let before = -1;
  while (before !== produced) {
    before = produced;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(produced < 8 * 1024 * 1024, `${produced} bytes were produced for nobody`);
});

async function statusAndBody(served: { socketPath: string }, path: string) {
  const { status, body } = await ask(served, "GET", path);
  return [status, body];
}
