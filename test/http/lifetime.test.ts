import http from "node:http";
import { hijack, json, lines, text } from "../../core/kernel/reply.ts";
import { assert, eventually, test } from "../support/test.ts";
import { ask, serve, upgradeHead, Wire } from "./serve.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: d\r\n\r\n`;

/** Waits for a signal to fire. */
const fired = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

test("accepts any version prefix and takes nothing else for one", async (undo) => {
  const version = {
    answer: (request: { version: object; path: string }) => text(`${request.version} ${request.path}`),
  };
  const served = await serve(undo, [
    { at: "GET /_ping", ...version },
    { at: "GET /version", ...version },
    { at: "GET /volumes/{name}", ...version },
  ]);
  const body = async (path: string) => (await ask(served, "GET", path)).body;
  assert.is(await body("/_ping"), "1.51 /_ping");
  assert.is(await body("/v1.24/_ping"), "1.24 /_ping");
  assert.is(await body("/v9.99/_ping"), "9.99 /_ping");
  assert.is(await body("/version"), "1.51 /version");
  assert.is(await body("/v1.44/version"), "1.44 /version");
  assert.is(await body("/volumes/x"), "1.51 /volumes/x");
  assert.is(await body("/v1.44/volumes/v1.2"), "1.44 /volumes/v1.2");
  for (
    const path of [
      "/v1/_ping",
      "/v1.2.3/_ping",
      "/v1.24x/_ping",
      "/v1.24",
      "/v1.24/v1.24/_ping",
      "/va.b/_ping",
    ]
  ) {
    assert.is((await ask(served, "GET", path)).status, 404);
  }
});

test("serves ten thousand requests on one connection", async (undo) => {
  const served = await serve(undo, [{ at: "GET /_ping", answer: () => text("OK") }]);
  const wire = new Wire(undo, served);
  for (let hundred = 1; hundred <= 100; hundred++) {
    wire.received = "";
    wire.socket.write(get("/v1.51/_ping").repeat(100));
    await eventually("a hundred answers", () => wire.received.split("\r\n\r\nOK").length === 101);
  }
  assert.is(wire.ended, false);
});

test("serves two hundred connections at once", async (undo) => {
  let waiting = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  const served = await serve(undo, [{
    at: "GET /info",
    answer: async () => {
      if (++waiting === 200) release();
      await released;
      return json({ waiting });
    },
  }]);
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(served, "GET", "/info")));
  assert.ok(answers.every(({ status }) => status === 200));
});

test("answers pipelined requests in order", async (undo) => {
  const served = await serve(undo, [{
    at: "GET /x/{ms}",
    answer: async ({ params: { ms } }) => {
      await new Promise((resolve) => setTimeout(resolve, Number(ms)));
      return text(`<${ms}>`);
    },
  }]);
  const wire = new Wire(undo, served, get("/x/100") + get("/x/50") + get("/x/1"));
  await wire.until("<1>");
  assert.equal(wire.received.match(/<\d+>/g), ["<100>", "<50>", "<1>"]);
});

test("ends a connection that pipelines an upgrade behind a running request", async (undo) => {
  const served = await serve(undo, [
    { at: "GET /slow", answer: ({ signal }) => fired(signal).then(() => json({})) },
    { at: "POST /x", kind: "hijack", answer: () => hijack("x/y", () => Promise.resolve()) },
  ]);
  const wire = new Wire(undo, served, get("/slow") + upgradeHead("/x"));
  await wire.until();
  assert.is(wire.received, "");
});

test("stops the handler and its generator when the client vanishes in the middle of a stream", async (undo) => {
  let reason: Error | undefined;
  let returned = false;
  const served = await serve(undo, [{
    at: "GET /logs",
    kind: "stream",
    answer: ({ signal }) =>
      lines((async function* () {
        try {
          for (let line = 1;; line++) {
            yield { line };
            if (line === 3) await fired(signal);
          }
        } finally {
          reason = signal.reason;
          returned = true;
        }
      })()),
  }]);
  const wire = new Wire(undo, served, get("/logs"));
  await wire.until('{"line":3}');
  wire.socket.destroy();
  await eventually("the generator to be left", () => returned);
  assert.is(reason?.name, "ClientGone");
});

test("stops the handler when the client vanishes before the answer", async (undo) => {
  let gone = false;
  const served = await serve(undo, [{
    at: "POST /images/create",
    kind: "stream",
    answer: async ({ signal }) => {
      await fired(signal);
      gone = true;
      throw signal.reason;
    },
  }]);
  const wire = new Wire(undo, served, "POST /images/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  wire.socket.destroy();
  await eventually("the handler to be told", () => gone);
});

test("breaks the reading of an upload off when the client vanishes", async (undo) => {
  let failure: Error | undefined;
  const served = await serve(undo, [{
    at: "POST /images/load",
    kind: "stream",
    answer: async ({ body }) => {
      try {
        for await (const _ of body) { /* read on */ }
      } catch (error) {
        failure = error as Error;
      }
      return json({});
    },
  }]);
  const wire = new Wire(
    undo,
    served,
    "POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\nhalf",
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  wire.socket.destroy();
  await eventually("the upload to fail", () => failure?.name === "ClientGone");
});

test("does not fire the signal of a request that was answered", async (undo) => {
  let kept: AbortSignal | undefined;
  const served = await serve(undo, [{
    at: "GET /info",
    answer: ({ signal }) => {
      kept = signal;
      return json({});
    },
  }]);
  await ask(served, "GET", "/info");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(kept?.aborted, false);
});

test("fires every running request's signal when the job closes, and answers 503", async (undo) => {
  const served = await serve(undo, [{
    at: "POST /wait",
    answer: async ({ signal }) => {
      await fired(signal);
      throw signal.reason;
    },
  }]);
  const answer = ask(served, "POST", "/wait");
  await new Promise((resolve) => setTimeout(resolve, 50));
  served.job.abort(new Error("the job is closing"));
  assert.equal([(await answer).status, (await answer).body], [503, '{"message":"the job is closing"}\n']);
});

test("lets running requests end when it closes, and takes no new ones", async (undo) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  const served = await serve(undo, [{
    at: "GET /slow",
    answer: () => released.then(() => json({ done: true })),
  }]);
  const running = ask(served, "GET", "/slow");
  await new Promise((resolve) => setTimeout(resolve, 50));
  const closed = served.server.close(5_000);
  const refused = await ask(served, "GET", "/slow").catch((error: NodeJS.ErrnoException) => error.code);
  assert.is(refused, "ENOENT");
  release();
  assert.is((await running).body, '{"done":true}\n');
  await closed;
});

test("cuts what has not ended when the drain time is over, idle connections at once", async (undo) => {
  const served = await serve(undo, [
    { at: "GET /_ping", answer: () => text("OK") },
    { at: "GET /never", answer: () => new Promise(() => {}) },
    { at: "POST /x", kind: "hijack", answer: () => hijack("x/y", () => new Promise(() => {})) },
  ]);
  const idle = new Wire(undo, served, get("/_ping"));
  await idle.until("OK");
  const never = new Wire(undo, served, get("/never"));
  const attached = new Wire(undo, served, upgradeHead("/x"));
  await attached.until("101 UPGRADED");
  const startedAt = Date.now();
  const closed = served.server.close(300);
  assert.is(served.server.close(0), closed);
  await idle.until();
  assert.ok(Date.now() - startedAt < 250, "an idle connection was kept");
  await closed;
  assert.ok(Date.now() - startedAt < 2_000);
  await Promise.all([never.until(), attached.until()]);
});

test("reuses connections of a client's agent", async (undo) => {
  const served = await serve(undo, [{ at: "GET /_ping", answer: () => text("OK") }]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  undo.add("agent", () => agent.destroy());
  const once = () =>
    new Promise<boolean>((resolve, reject) => {
      const request = http.get({ socketPath: served.socketPath, path: "/_ping", agent }, (response) => {
        response.resume();
        response.on("end", () => resolve(request.reusedSocket));
      });
      request.on("error", reject);
    });
  assert.is(await once(), false);
  assert.is(await once(), true);
});
