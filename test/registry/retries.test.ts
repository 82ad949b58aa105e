import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";
import { type Handle, serve } from "../support/http-server.ts";
import { digestOf, manifest, platform, registryOf } from "./manifests.ts";

/** Answers the first requests with these statuses, and then as a registry with one image. */
function shaky(statuses: number[], times: number[] = [], headers: Record<string, string> = {}): Handle {
  return (request, response) => {
    times.push(performance.now());
    const status = statuses.shift();
    if (status === undefined) return registryOf(manifest())(request, response);
    response.writeHead(status, headers).end();
  };
}

async function resolve(undo: Undo, handle: Handle, given: object = {}) {
  const registry = await serve(undo, handle);
  return await client(undo, given)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
}

const pauses = (times: number[]) => times.slice(1).map((time, at) => time - times[at]!);

test("asks again, later and later, while the registry is overloaded", async (undo) => {
  const times: number[] = [];
  await resolve(undo, shaky([429, 503], times), { retryPauseMs: 60 });
  const [first = 0, second = 0] = pauses(times);
  assert.ok(first >= 40 && second >= 85, `${first} ms, ${second} ms`);
});

test("gives up after the tries that the setting allows, with the last answer", async (undo) => {
  const times: number[] = [];
  const error = await rejection(resolve(undo, shaky(Array(9).fill(503), times), { tries: 3 })) as ApiError;
  assert.is(times.length, 3);
  assert.is(error.message, "received unexpected HTTP status: 503 Service Unavailable");
});

test("waits as long as the registry asks for", async (undo) => {
  const times: number[] = [];
  await resolve(undo, shaky([429], times, { "retry-after": "1" }));
  assert.ok(pauses(times)[0]! >= 990, `${pauses(times)[0]} ms`);
});

test("does not wait longer than the setting allows", async (undo) => {
  const times: number[] = [];
  const work = resolve(undo, shaky([429, 429], times, { "retry-after": "3600" }));
  const error = await rejection(work) as ApiError;
  assert.is(times.length, 1);
  assert.equal([error.kind, error.message], ["unavailable", "toomanyrequests: too many requests"]);
  const inAYear = new Date(Date.now() + 365 * 86_400_000).toUTCString();
  await rejection(resolve(undo, shaky([503, 503], times, { "retry-after": inAYear })));
  assert.is(times.length, 2);
});

test("does not ask again for what was refused", async (undo) => {
  for (const status of [400, 403, 404, 501]) {
    const times: number[] = [];
    await rejection(resolve(undo, shaky([status, status], times)));
    assert.is(times.length, 1, `${status}`);
  }
});

test("asks again when the connection breaks before an answer", async (undo) => {
  let requests = 0;
  await resolve(undo, (request, response) => {
    if (++requests < 3) return void request.socket.destroy();
    registryOf(manifest())(request, response);
  });
  assert.is(requests, 3);
});

test("stops waiting at once when its signal fires", async (undo) => {
  const registry = await serve(undo, shaky([503, 503], [], { "retry-after": "20" }));
  const abort = new AbortController();
  const work = client(undo)
    .resolve({ registry, repository: "app" }, platform, undefined, abort.signal, nothingKnown);
  setTimeout(() => abort.abort(new Error("gone")), 50);
  const started = performance.now();
  assert.is((await rejection(work)).message, "gone");
  assert.ok(performance.now() - started < 5000);
});

/** Serves one blob of ten bytes, a part of it for each connection. */
async function download(undo: Undo, parts: (Handle | undefined)[], given: object = {}) {
  const registry = await serve(undo, (request, response) => {
    if (!request.url?.includes("/blobs/")) return registryOf(manifest())(request, response);
    const handle = parts.shift();
    if (handle) return handle(request, response);
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(206, { "content-range": `bytes ${start}-9/10` }).end("0123456789".slice(start));
  });
  const { source } = await client(undo, given)
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  return await whole(source, { mediaType: "x", digest: digestOf("0123456789"), sizeBytes: 10 });
}

const breaksAfter = (text: string): Handle => (_, response) =>
  void response.writeHead(200, { "content-length": 10 }).write(text, () => response.destroy());

test("goes on with a blob through broken connections and an overloaded registry", async (undo) => {
  const busy: Handle = (_, response) => void response.writeHead(503).end();
  const reset: Handle = ({ socket }) => void socket.destroy();
  const bytes = await download(undo, [breaksAfter("01234"), busy, reset]);
  assert.is(bytes.toString(), "0123456789");
});

test("goes on with a blob that stood still", async (undo) => {
  const stops: Handle = (_, response) => void response.writeHead(200, { "content-length": 10 }).write("012");
  const bytes = await download(undo, [stops], { idleTimeoutMs: 100 });
  assert.is(bytes.toString(), "0123456789");
});

test("does not go on where the registry says it starts later", async (undo) => {
  const later: Handle = (_, response) =>
    void response.writeHead(206, { "content-range": "bytes 7-9/10" }).end("789");
  const error = await rejection(download(undo, [breaksAfter("01234"), later, later, later]));
  assert.match(error.message, /resumed a download at the wrong place$/);
});

test("gives up on a blob that never comes, and says who broke off", async (undo) => {
  let connections = 0;
  const breaks: Handle = (_, response) => {
    connections++;
    response.writeHead(200, { "content-length": 10 });
    response.flushHeaders();
    response.destroy();
  };
  const error = await rejection(download(undo, Array(20).fill(breaks))) as ApiError;
  assert.match(error.message, /^unexpected EOF: 127\.0\.0\.1:\d+ broke off its answer$/);
  assert.ok(connections <= 9, `${connections} connections`);
});
