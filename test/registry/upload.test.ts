import { createHash } from "node:crypto";
import { assert, eventually, rejection, test } from "../support/test.ts";
import type { ApiError } from "../../core/support/errors.ts";
import { never } from "./client.ts";
import { refuse, repositoryOf, startUploadServer, uploadOf } from "./upload-server.ts";

const sha256 = (bytes: string | Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Bytes of which no two neighbouring pieces are alike. */
const pattern = (sizeBytes: number) =>
  Buffer.alloc(sizeBytes, Uint8Array.from({ length: 251 }, (_, at) => at));
const large = pattern(9_000_000);
const small = pattern(100_000);

const methods = (log: readonly string[]) => log.map((line) => line.split(" ")[0]).join(" ");

test("a small blob goes out in one request, a large one before it is closed", async (undo) => {
  const server = await startUploadServer(undo);
  const repository = repositoryOf(undo, server);
  await repository.uploadBlob(uploadOf(small).upload, never);
  assert.is(methods(server.log.splice(0)), "POST PUT");
  const { upload, seen } = uploadOf(large);
  assert.equal(await repository.uploadBlob(upload, never), upload.blob);
  assert.is(methods(server.log), "POST PATCH PUT");
  assert.ok(server.blobs.get(sha256(large))?.equals(large));
  assert.is(seen.sent, large.length);
  assert.is(server.uploads.size, 0);
});

test("bytes of unknown digest get it when they are all there", async (undo) => {
  const server = await startUploadServer(undo);
  const { upload } = uploadOf(large, { isKnown: false });
  const uploaded = await repositoryOf(undo, server).uploadBlob(upload, never);
  assert.equal(uploaded, { digest: sha256(large), sizeBytes: large.length });
  assert.ok(server.blobs.get(sha256(large))?.equals(large));
});

test("goes on after a break where the registry says it is", async (undo) => {
  const server = await startUploadServer(undo);
  server.breakAfter.push(3_000_000, 1_000_000);
  const { upload, seen } = uploadOf(large);
  await repositoryOf(undo, server).uploadBlob(upload, never);
  assert.ok(server.blobs.get(sha256(large))?.equals(large));
  assert.equal(seen.offsets, [0, 3_000_000, 4_000_000]);
  assert.is(seen.pauses.length, 2);
  assert.ok(server.log.some((line) => line.endsWith("4000000-8999999")), server.log.join("\n"));
});

test("goes on after a break with bytes of unknown digest too", async (undo) => {
  const server = await startUploadServer(undo);
  server.breakAfter.push(3_000_000);
  const { upload } = uploadOf(large, { isKnown: false });
  const { digest } = await repositoryOf(undo, server).uploadBlob(upload, never);
  assert.is(digest, sha256(large));
  assert.ok(server.blobs.get(digest)?.equals(large));
});

test("begins anew when the registry lost the upload", async (undo) => {
  const server = await startUploadServer(undo);
  let lost = false;
  server.answer = (request, response) => {
    if (lost || request.method !== "PATCH") return false;
    lost = true;
    server.uploads.clear();
    response.writeHead(404).end();
  };
  await repositoryOf(undo, server).uploadBlob(uploadOf(large).upload, never);
  assert.ok(server.blobs.get(sha256(large))?.equals(large));
});

test("takes a blob for uploaded that is there after its closing request broke", async (undo) => {
  const server = await startUploadServer(undo);
  server.answer = (request) => {
    if (request.method !== "PUT") return false;
    server.blobs.set(sha256(large), large);
    server.uploads.clear();
    request.socket.destroy();
  };
  const { upload, seen } = uploadOf(large);
  await repositoryOf(undo, server).uploadBlob(upload, never);
  assert.equal(seen.offsets, [0]);
});

test("cuts a blob into pieces for a registry that finds it too large", async (undo) => {
  const server = await startUploadServer(undo);
  const huge = pattern(20_000_000);
  server.early = (request, response) => {
    const length = Number(request.headers["content-length"]);
    if (request.method !== "PATCH" || length <= 5_000_000) return false;
    response.writeHead(413).end();
  };
  await repositoryOf(undo, server).uploadBlob(uploadOf(huge).upload, never);
  assert.ok(server.blobs.get(sha256(huge))?.equals(huge));
  assert.ok(server.log.some((line) => line.endsWith(" 0-4194303")), server.log.join("\n"));
});

test("pieces are as large as the registry wants them at least", async (undo) => {
  const server = await startUploadServer(undo);
  const huge = pattern(40_000_000);
  server.answer = (request, response, body) => {
    if (request.method === "POST") {
      server.uploads.set("/up", Buffer.alloc(0));
      return void response.writeHead(202, { location: "/up", "oci-chunk-min-length": "18000000" }).end();
    }
    if (request.method !== "PATCH" || body.length <= 18_000_000) return false;
    response.writeHead(413).end();
  };
  await repositoryOf(undo, server).uploadBlob(uploadOf(huge).upload, never);
  assert.ok(server.log.includes("PATCH /up 0-17999999"), server.log.join("\n"));
});

test("refuses a registry that says it has more than it was sent", async (undo) => {
  const server = await startUploadServer(undo);
  server.answer = (request, response) => {
    if (request.method !== "PATCH") return false;
    response.writeHead(202, { location: request.url!, range: "0-99999999" }).end();
  };
  const error = await rejection(repositoryOf(undo, server).uploadBlob(uploadOf(large).upload, never));
  assert.match(error.message, "says it has 100000000 bytes of an upload that sent 9000000");
  assert.is(server.uploads.size, 0, "the upload was taken back");
});

test("refuses a registry that stored something else", async (undo) => {
  const server = await startUploadServer(undo);
  server.answer = (request, response) => {
    if (request.method !== "PUT") return false;
    response.writeHead(201, { "docker-content-digest": sha256("other") }).end();
  };
  const repository = repositoryOf(undo, server);
  const error = await rejection(repository.uploadBlob(uploadOf(small).upload, never));
  assert.match(error.message, `was sent ${sha256(small)} and says it stored ${sha256("other")}`);
  const manifest = { mediaType: "m", digest: sha256(small), sizeBytes: small.length, bytes: small };
  assert.match((await rejection(repository.putManifest("1", manifest, never))).message, "says it stored");
});

test("credentials do not follow an upload to another host", async (undo) => {
  const [server, elsewhere] = [await startUploadServer(undo), await startUploadServer(undo)];
  server.answer = (request, response) => {
    if (!request.headers.authorization) {
      return void refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": "Basic realm=r" });
    }
    if (request.method !== "POST") return false;
    response.writeHead(202, { location: `http://${elsewhere.host}/up` }).end();
  };
  elsewhere.uploads.set("/up", Buffer.alloc(0));
  const credentials = { username: "u", password: "p" };
  await repositoryOf(undo, server, credentials).uploadBlob(uploadOf(large).upload, never);
  assert.ok(elsewhere.blobs.has(sha256(large)));
  assert.equal(elsewhere.authorizations, [undefined, undefined]);
  assert.ok(server.authorizations.includes(`Basic ${btoa("u:p")}`));
});

test("gives up on a registry that challenges forever, and takes 403 for denied", async (undo) => {
  const server = await startUploadServer(undo);
  const repository = repositoryOf(undo, server, { username: "u", password: "p" });
  server.answer = (_, response) =>
    void refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": "Basic realm=r" });
  const error = await rejection(repository.uploadBlob(uploadOf(small).upload, never)) as ApiError;
  assert.is(error.message, "unauthorized: unauthorized");
  assert.ok(server.log.length <= 3, server.log.join("\n"));
  server.answer = (_, response) => void refuse(response, 403, "DENIED");
  assert.is(
    (await rejection(repository.hasBlob(sha256(small), never))).message,
    "denied: requested access to the resource is denied",
  );
});

test("tries again what an overloaded registry refused, and waits as it asks", async (undo) => {
  const server = await startUploadServer(undo);
  let refused = 0;
  server.answer = (request, response) => {
    if (request.method !== "PUT" || refused++ >= 2) return false;
    refuse(response, refused === 1 ? 429 : 503, "TOOMANYREQUESTS", { "retry-after": "0" });
  };
  const { upload, seen } = uploadOf(small);
  await repositoryOf(undo, server).uploadBlob(upload, never);
  assert.ok(server.blobs.has(sha256(small)));
  assert.is(seen.pauses.length, 2);
});

test("gives up on a registry that stays broken, and takes the upload back", async (undo) => {
  const server = await startUploadServer(undo);
  server.answer = (request, response) => {
    if (request.method !== "PUT") return false;
    response.writeHead(500).end();
  };
  const error = await rejection(repositoryOf(undo, server).uploadBlob(uploadOf(small).upload, never));
  assert.match(error.message, /^received unexpected HTTP status: 500/);
  assert.is(server.uploads.size, 0);
});

test("does not read the endless body of a refusal", async (undo) => {
  const server = await startUploadServer(undo);
  server.answer = (request, response) => {
    if (request.method !== "POST") return false;
    response.writeHead(400, { "content-type": "application/json" });
    const more = () => {
      while (response.write(Buffer.alloc(65_536, 32)));
    };
    response.on("drain", more);
    more();
  };
  const error = await rejection(repositoryOf(undo, server).uploadBlob(uploadOf(small).upload, never));
  assert.match(error.message, "received unexpected HTTP status: 400");
});

test("gives up on a registry that reads nothing, in the idle time", async (undo) => {
  const server = await startUploadServer(undo);
  server.early = (request) => {
    if (request.method !== "PATCH") return false;
    request.pause();
  };
  const repository = repositoryOf(undo, server, undefined, { idleTimeoutMs: 200, tries: 1 });
  const error = await rejection(repository.uploadBlob(uploadOf(pattern(60_000_000)).upload, never));
  assert.match(error.message, /Client.Timeout exceeded|no answer in time/);
});

test("an upload whose signal fires is taken back", async (undo) => {
  const server = await startUploadServer(undo);
  const controller = new AbortController();
  const { upload } = uploadOf(large);
  const slow = {
    ...upload,
    async *read(offset: number, signal: AbortSignal) {
      for await (const chunk of upload.read(offset, signal)) {
        yield chunk;
        if (!controller.signal.aborted) controller.abort(new Error("the client is gone"));
      }
    },
  };
  const uploading = repositoryOf(undo, server).uploadBlob(slow, controller.signal);
  assert.is((await rejection(uploading)).message, "the client is gone");
  await eventually("the upload to be gone", () => server.uploads.size === 0);
});

test("an upload that is opened while the signal fires is taken back", async (undo) => {
  const server = await startUploadServer(undo);
  const controller = new AbortController();
  server.answer = (request) => {
    if (request.method === "POST") controller.abort(new Error("the client is gone"));
    return false;
  };
  const uploading = repositoryOf(undo, server).uploadBlob(uploadOf(large).upload, controller.signal);
  assert.is((await rejection(uploading)).message, "the client is gone");
  assert.ok(server.log.some((line) => line.startsWith("DELETE")));
  assert.is(server.uploads.size, 0);
});

test("a source that breaks is tried again, and one that lies is refused", async (undo) => {
  const server = await startUploadServer(undo);
  const repository = repositoryOf(undo, server);
  const { upload } = uploadOf(large);
  const short = { ...upload, blob: { digest: sha256(large), sizeBytes: large.length + 1 } };
  assert.match(
    (await rejection(repository.uploadBlob(short, never))).message,
    "ended after 9000000 of 9000001",
  );
  const long = { ...upload, blob: { digest: sha256(large), sizeBytes: large.length - 1 } };
  assert.match(
    (await rejection(repository.uploadBlob(long, never))).message,
    "longer than its manifest says",
  );
  assert.is(server.uploads.size, 0);
});

test("mounts from another repository, and does without when that fails", async (undo) => {
  const server = await startUploadServer(undo);
  const repository = repositoryOf(undo, server);
  server.blobs.set(sha256("there"), Buffer.from("there"));
  assert.is(await repository.mountBlob(sha256("there"), "other", never), true);
  assert.is(await repository.mountBlob(sha256("absent"), "other", never), false);
  assert.is(server.uploads.size, 0, "the upload that was opened instead is taken back");
  assert.is(await repository.mountBlob(sha256("there"), "../escape", never), false);
  server.answer = (_, response) => void refuse(response, 403, "DENIED");
  assert.is(await repository.mountBlob(sha256("there"), "other", never), false);
});

test("asks for a token that may pull and push, and may read where it mounts from", async (undo) => {
  const server = await startUploadServer(undo);
  const scopes: string[][] = [];
  server.answer = (request, response) => {
    const url = new URL(request.url!, `http://${server.host}`);
    if (url.pathname === "/token") {
      scopes.push(url.searchParams.getAll("scope"));
      return void response.end(JSON.stringify({ token: "t" }));
    }
    if (request.headers.authorization === "Bearer t") return false;
    const challenge = `Bearer realm="http://${server.host}/token",service="s"`;
    refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": challenge });
  };
  const repository = repositoryOf(undo, server);
  await repository.hasBlob(sha256("x"), never);
  await repository.mountBlob(sha256("x"), "other", never);
  assert.equal(scopes, [
    ["repository:app:pull,push"],
    ["repository:app:pull,push", "repository:other:pull"],
  ]);
});
