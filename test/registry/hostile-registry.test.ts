import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown } from "./client.ts";
import { type Handle, serve } from "../support/http-server.ts";
import { answer, digestOf, layer, manifest, manifestType, platform } from "./manifests.ts";

async function refused(
  undo: Undo,
  handle: Handle,
  tag: { tag?: string; digest?: string } = { tag: "latest" },
) {
  const registry = await serve(undo, handle);
  const error = await rejection(
    client(undo).resolve({ registry, repository: "app", ...tag }, platform, undefined, never, nothingKnown),
  ) as ApiError;
  return { kind: error.kind, message: error.message.replaceAll(registry, "REGISTRY") };
}

test("refuses a manifest that is not JSON", async (undo) => {
  assert.equal(await refused(undo, answer("garbage")), {
    kind: "invalid",
    message: "the registry sent a manifest that is not JSON",
  });
});

test("refuses a manifest that does not have the digest asked for", async (undo) => {
  const { kind, message } = await refused(undo, answer(manifest()), { digest: digestOf("other") });
  assert.is(kind, "invalid");
  assert.match(message, /^manifest verification failed for digest sha256:/);
});

test("refuses a manifest that does not have the digest the registry tells", async (undo) => {
  const { message } = await refused(
    undo,
    answer(manifest(), manifestType, { "docker-content-digest": digestOf("other") }),
  );
  assert.match(message, /^the registry says the manifest is sha256:/);
});

test("refuses a manifest larger than the limit without reading on", async (undo) => {
  const { kind, message } = await refused(undo, (_, response) => {
    response.writeHead(200, { "content-type": manifestType });
    const more = () => {
      while (response.write(Buffer.alloc(65_536, 32)));
    };
    response.on("drain", more);
    more();
  });
  assert.is(kind, "invalid");
  assert.match(message, /larger than 4194304 bytes$/);
});

test("refuses a body that is an index and an image at once", async (undo) => {
  const { message } = await refused(
    undo,
    answer(JSON.stringify({ ...JSON.parse(manifest()), manifests: [] })),
  );
  assert.is(message, "manifest is an index and an image at once");
});

test("refuses sizes and digests that are none", async (undo) => {
  const wrong = layer("", { digest: "sha256:../../x", size: -1 });
  const { message } = await refused(undo, answer(manifest([wrong])));
  assert.is(message, "manifest: layers[0] has no sha256 digest");
});

test("gives up on a registry that redirects in circles", async (undo) => {
  const { kind, message } = await refused(undo, (request, response) => {
    response.writeHead(307, { location: request.url }).end();
  });
  assert.is(kind, "internal");
  assert.is(message, "REGISTRY redirected more than 5 times");
});

test("gives up on a registry that challenges forever", async (undo) => {
  let requests = 0;
  const { kind } = await refused(undo, (request, response) => {
    requests++;
    if (request.url?.startsWith("/token")) {
      return void response.end(JSON.stringify({ token: `t${requests}` }));
    }
    const realm = `Bearer realm="http://${request.headers.host}/token",service="s"`;
    response.writeHead(401, { "www-authenticate": realm }).end();
  });
  assert.is(kind, "unauthorized");
  assert.ok(requests <= 4, `${requests} requests`);
});

test("gives up on a registry that never answers", async (undo) => {
  const registry = await serve(undo, () => {});
  const registries = client(undo, { responseTimeoutMs: 150 });
  const error = await rejection(
    registries.resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.match(error.message, /Client.Timeout exceeded while awaiting headers/);
});

test("gives up on a registry that stops in the middle of a manifest", async (undo) => {
  const { message } = await refused(undo, (_, response) => {
    response.writeHead(200, { "content-type": manifestType, "content-length": 100 }).write("{");
  });
  assert.is(message, "REGISTRY sent nothing for 300 ms");
});

test("refuses headers without end", async (undo) => {
  const { kind } = await refused(undo, (_, response) => {
    response.writeHead(200, { "x-much": "a".repeat(200_000) }).end(manifest());
  });
  assert.is(kind, "internal");
});

test("tells that nothing listens in Docker's words", async (undo) => {
  const error = await rejection(
    client(undo).resolve(
      { registry: "127.0.0.1:1", repository: "app" },
      platform,
      undefined,
      never,
      nothingKnown,
    ),
  );
  assert.is(
    error.message,
    'Get "http://127.0.0.1:1/v2/app/manifests/latest": dial tcp 127.0.0.1:1: connect: connection refused',
  );
});

test("says that a server error is one", async (undo) => {
  const { kind, message } = await refused(undo, (_, response) => response.writeHead(502).end("<html>"));
  assert.equal({ kind, message }, {
    kind: "internal",
    message: "received unexpected HTTP status: 502 Bad Gateway",
  });
});

test("says that a private repository is denied, as Docker does", async (undo) => {
  const { kind, message } = await refused(undo, (request, response) => {
    if (request.url?.startsWith("/token")) return void response.end(JSON.stringify({ token: "weak" }));
    const realm = `Bearer realm="http://${request.headers.host}/token",error="insufficient_scope"`;
    response.writeHead(401, { "www-authenticate": realm }).end();
  });
  assert.is(kind, "not-found");
  assert.is(
    message,
    "pull access denied for REGISTRY/app, repository does not exist or may require 'docker login': " +
      "denied: requested access to the resource is denied",
  );
});

test("shows credentials to the registry and never to whom it redirects", async (undo) => {
  const seen: (string | undefined)[] = [];
  const elsewhere = await serve(undo, ({ headers }, response) => {
    seen.push(headers.authorization, headers.cookie, headers["proxy-authorization"]);
    response.end("hello");
  });
  const registry = await serve(undo, (request, response) => {
    if (!request.headers.authorization) {
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    }
    if (request.url?.includes("/blobs/")) {
      const headers = { location: `http://user:pass@${elsewhere}/blob`, "set-cookie": "session=secret" };
      return void response.writeHead(307, headers).end();
    }
    response.writeHead(200, { "content-type": manifestType }).end(manifest());
  });
  const credentials = { username: "u", password: "p" };
  const { source } = await client(undo).resolve(
    { registry, repository: "app" },
    platform,
    credentials,
    never,
    nothingKnown,
  );
  const blob = { mediaType: "x", digest: digestOf("hello"), sizeBytes: 5 };
  const parts: Uint8Array[] = [];
  for await (const chunk of source.read(blob, 0, never)) parts.push(chunk);
  assert.is(Buffer.concat(parts).toString(), "hello");
  assert.equal(seen, [undefined, undefined, undefined]);
});

test("asks the token server with the credentials and the repository's scope", async (undo) => {
  let asked: { url?: string; authorization?: string } = {};
  const registry = await serve(undo, (request, response) => {
    if (request.url?.startsWith("/token")) {
      asked = { url: request.url, authorization: request.headers.authorization };
      return void response.end(JSON.stringify({ access_token: "good" }));
    }
    if (request.headers.authorization !== "Bearer good") {
      const realm =
        `Bearer realm="http://${request.headers.host}/token",service="reg",scope="repository:other:*"`;
      return void response.writeHead(401, { "www-authenticate": realm }).end();
    }
    response.writeHead(200, { "content-type": manifestType }).end(manifest());
  });
  const credentials = { username: "u", password: "p" };
  await client(undo).resolve({ registry, repository: "app" }, platform, credentials, never, nothingKnown);
  assert.is(asked.url, "/token?service=reg&scope=repository%3Aapp%3Apull&account=u");
  assert.is(asked.authorization, `Basic ${Buffer.from("u:p").toString("base64")}`);
});

async function download(undo: Undo, handle: Handle, sizeBytes: number, offset = 0): Promise<string> {
  const registry = await serve(undo, (request, response) => {
    if (request.url?.includes("/blobs/")) return handle(request, response);
    response.writeHead(200, { "content-type": manifestType }).end(manifest());
  });
  const { source } = await client(undo).resolve(
    { registry, repository: "app" },
    platform,
    undefined,
    never,
    nothingKnown,
  );
  const parts: Uint8Array[] = [];
  const blob = { mediaType: "x", digest: digestOf("whatever"), sizeBytes };
  for await (const chunk of source.read(blob, offset, never)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

test("resumes a download where it broke off", async (undo) => {
  const ranges: (string | undefined)[] = [];
  const text = await download(undo, (request, response) => {
    ranges.push(request.headers.range);
    if (ranges.length === 1) {
      response.writeHead(200, { "content-length": 10 }).write("01234", () => response.destroy());
    } else response.writeHead(206, { "content-range": "bytes 5-9/10" }).end("56789");
  }, 10);
  assert.is(text, "0123456789");
  assert.equal(ranges, [undefined, "bytes=5-"]);
});

test("copes with a registry that ignores ranges", async (undo) => {
  assert.is(await download(undo, (_, response) => response.end("0123456789"), 10, 4), "456789");
});

test("stops a blob that is larger than its descriptor says", async (undo) => {
  const endless = download(undo, (_, response) => response.end("x".repeat(100_000)), 10);
  assert.match((await rejection(endless)).message, /is larger than its manifest says$/);
});

test("gives up on a registry that sends a byte now and then", async (undo) => {
  const { message } = await refused(undo, (_, response) => {
    response.writeHead(200, { "content-type": manifestType });
    const drip = setInterval(() => response.write(" "), 50);
    response.on("close", () => clearInterval(drip));
  });
  assert.is(message, "REGISTRY takes too long to send its answer");
});

test("stops at once when its signal fires", async (undo) => {
  const registry = await serve(undo, () => {});
  const abort = new AbortController();
  const work = client(undo).resolve(
    { registry, repository: "app" },
    platform,
    undefined,
    abort.signal,
    nothingKnown,
  );
  setTimeout(() => abort.abort(new Error("gone")), 20);
  assert.is((await rejection(work)).message, "gone");
});
