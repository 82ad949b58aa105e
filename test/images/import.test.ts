import { createServer, type RequestListener } from "node:http";
import { readdir } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { Query } from "../../core/kernel/request.ts";
import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { download } from "../../plugins/images/archive/download.ts";
import { assert, rejection, test } from "../support/test.ts";
import { linesOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { tarOf } from "./small-image.ts";

type Area = Awaited<ReturnType<typeof openArea>>;

const send = async (area: Area, query: Record<string, string>, body?: Uint8Array) =>
  await linesOf(await area.pull.create(request({ query: { fromSrc: "-", ...query }, body })));

async function refused(area: Area, query: Record<string, string>, body?: Uint8Array): Promise<ApiError> {
  const error = await rejection(send(area, query, body));
  assert.equal((await readdir(area.job.dir)).filter((name) => name.startsWith("load-")), []);
  return error as ApiError;
}

/** A web server on a port of its own. */
async function serve(undo: Undo, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.add("web server", () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

test("makes an image of a tar, with a name, a message and changes", async (undo) => {
  const area = await openArea(undo);
  const tar = await tarOf({ "etc/hi": "hi" });
  const query = new Query(
    new URLSearchParams([
      ["fromSrc", "-"],
      ["repo", "team/app"],
      ["tag", "1"],
      ["message", "by hand"],
      ["platform", "linux/arm64"],
      ["changes", 'CMD ["sh"]'],
      ["changes", "ENV A=b"],
    ]),
  );
  const [line] = await linesOf(await area.pull.create({ ...request({ body: tar }), query }));
  const { image, tags, taggedAt } = area.table.named("team/app:1");
  assert.equal(line, { status: image.id });
  assert.equal(tags, ["team/app:1"]);
  assert.ok(taggedAt);
  const { created, ...config } = image.config;
  assert.equal(config, {
    os: "linux",
    architecture: "arm64",
    comment: "by hand",
    config: { Cmd: ["sh"], Env: ["A=b"] },
    rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
    history: [{ created, comment: "by hand" }],
  });
  assert.is(image.layers[0]!.digest, digestOf(tar));
  assert.equal((await readdir(area.job.dir)).sort(), ["images.json"]);
});

test("keeps gzip as it came, and unpacks what the store cannot", async (undo) => {
  const area = await openArea(undo);
  const tar = await tarOf({ "etc/hi": "hi".repeat(1000) });
  const packed = gzipSync(tar);
  await send(area, { repo: "gz" }, packed);
  assert.is(area.table.find("gz").layers[0]!.digest, digestOf(packed));
  assert.match(area.table.find("gz").layers[0]!.mediaType, /\+gzip$/);
  await send(area, { repo: "xz" }, execFileSync("xz", ["-c"], { input: tar }));
  assert.is(area.table.find("xz").layers[0]!.digest, digestOf(tar));
  for (const name of ["gz", "xz"]) {
    assert.equal(area.table.find(name).config.rootfs.diff_ids, [digestOf(tar)]);
    assert.is(area.table.find(name).config.comment, "Imported from -");
  }
});

test("refuses in Docker's words before it reads the body", async (undo) => {
  const area = await openArea(undo);
  const cases: [Record<string, string>, string][] = [
    [{ repo: "UPPER" }, "invalid reference format: repository name (library/UPPER) must be lowercase"],
    [{ repo: "a", tag: "b c" }, "invalid tag format"],
    [{ repo: `a@sha256:${"0".repeat(64)}` }, "cannot import digest reference"],
    [{ platform: "windows/amd64" }, "operating system is not supported"],
    [{ changes: "RUN x" }, "RUN is not a valid change command"],
    [{ changes: "" }, "file with no instructions"],
  ];
  const unread: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]() {
      throw new Error("the body was read");
    },
  };
  for (const [query, message] of cases) {
    const run = async () =>
      await area.pull.create(request({ query: { fromSrc: "-", ...query }, body: unread }));
    const error = await rejection(run()) as ApiError;
    assert.is(error.message, message);
    assert.is(error.status, 400);
  }
});

test("refuses what is larger than the limit, packed or not, and what is no tar", async (undo) => {
  const area = await openArea(undo);
  const zeros = new Uint8Array(2 * 1024 * 1024);
  for (const body of [zeros, gzipSync(zeros), execFileSync("xz", ["-c"], { input: zeros })]) {
    assert.match((await refused(area, {}, body)).message, /^the archive is larger than 1048576 bytes/);
  }
  assert.match((await refused(area, {}, gzipSync(zeros).subarray(0, 500))).message, /not valid gzip/);
  assert.match((await refused(area, {}, new Uint8Array(2000).fill(65))).message, /no tar/);
  assert.is(area.table.list().length, 0);
});

test("downloads from a URL, through redirects", async (undo) => {
  const area = await openArea(undo);
  const tar = await tarOf({ "etc/hi": "hi" });
  const host = await serve(undo, ({ url }, response) => {
    if (url === "/moved") response.writeHead(302, { Location: "/tar" }).end();
    else response.writeHead(200, { "Content-Length": tar.length }).end(tar);
  });
  for (const [source, shown] of [[`http://${host}/moved`, `http://${host}/tar`], [host, `http://${host}/`]]) {
    const all = await send(area, { fromSrc: source!, repo: "app" });
    assert.equal(all[0], { status: `Downloading from ${shown}` });
    assert.equal({ ...all[1], progress: undefined }, {
      status: "Importing",
      progressDetail: { current: tar.length, total: tar.length },
      progress: undefined,
    });
    assert.match(String(all[1]?.progress), /^\[=+>\]/);
    assert.equal(all.at(-1), { status: area.table.find("app").id });
    assert.is(area.table.find("app").config.comment, `Imported from ${source}`);
  }
});

test("says what a download failed with, and never a password", async (undo) => {
  const area = await openArea(undo);
  const host = await serve(undo, ({ url, headers }, response) => {
    if (url === "/loop") response.writeHead(302, { Location: "/loop" }).end();
    else if (url === "/file") response.writeHead(302, { Location: "file:///etc/passwd" }).end();
    else if (url === "/cut") {
      response.writeHead(200, { "Content-Length": 1000 }).write("x", () => response.destroy());
    } else response.writeHead(headers.authorization ? 404 : 500).end("no such thing".repeat(1_000));
  });
  const cases: [string, RegExp, number][] = [
    ["ftp://x/y", /^Get "ftp:\/\/x\/y": unsupported protocol scheme "ftp"$/, 400],
    ["file:///etc/passwd", /unsupported protocol scheme "file"$/, 400],
    ["http://", /^fromSrc is no URL/, 400],
    [`http://${host}/loop`, /stopped after 10 redirects$/, 500],
    [`http://${host}/file`, /unsupported protocol scheme "file"$/, 400],
    ["http://127.0.0.1:1/x", /^Get "http:\/\/127.0.0.1:1\/x": /, 500],
    [
      `http://user:secret@${host}/x`,
      /^failed to GET http:\/\/user:xxxxx@.* with status 404 Not Found: no such/,
      404,
    ],
    [`http://${host}/x`, /^failed to GET .* with status 500 Internal Server Error: no such/, 500],
    [`http://${host}/cut`, /broke off/, 500],
  ];
  for (const [fromSrc, message, status] of cases) {
    const error = await refused(area, { fromSrc });
    assert.match(error.message, message);
    assert.is(error.status, status, fromSrc);
    assert.ok(error.message.length < 2_000);
  }
});

test("sends credentials of a URL to its host alone", async (undo) => {
  const seen: (string | undefined)[] = [];
  const other = await serve(undo, ({ headers }, response) => {
    seen.push(headers.authorization);
    response.end("x");
  });
  const host = await serve(undo, ({ headers }, response) => {
    seen.push(headers.authorization);
    response.writeHead(302, { Location: `http://${other}/` }).end();
  });
  const { body } = await download(`http://user:p%40ss@${host}/`, new AbortController().signal);
  for await (const _ of body);
  assert.equal(seen, [`Basic ${btoa("user:p@ss")}`, undefined]);
});

test("gives up on a server that does not answer, or stops in the middle", async (undo) => {
  const host = await serve(undo, ({ url }, response) => {
    if (url === "/half") response.writeHead(200, { "Content-Length": 1000 }).write("x");
  });
  const times = { headersMs: 100, idleMs: 100 };
  const { signal } = new AbortController();
  assert.match(
    (await rejection(download(`http://${host}/`, signal, times))).message,
    /did not finish within 100 ms$/,
  );
  const { body } = await download(`http://${host}/half`, signal, times);
  const read = async () => {
    for await (const _ of body);
  };
  assert.match((await rejection(read())).message, /did not finish within 100 ms$/);
});

test("stops a download when the client goes", async (undo) => {
  const gone = new AbortController();
  const host = await serve(undo, () => gone.abort(new Error("client gone")));
  assert.is((await rejection(download(`http://${host}/`, gone.signal))).message, "client gone");
});

test("downloads nothing where that is turned off", async (undo) => {
  const area = await openArea(undo, { importFromUrls: false });
  const error = await refused(area, { fromSrc: "http://127.0.0.1:1/x" });
  assert.is(error.status, 403);
  assert.match(error.message, /plugins\.images\.importFromUrls/);
  await send(area, { repo: "app" }, await tarOf({ a: "b" }));
});
