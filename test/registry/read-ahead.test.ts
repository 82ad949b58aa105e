import { createServer } from "node:https";
import type { Undo } from "../../core/support/undo.ts";
import type { Environment } from "../../plugins/registry/proxy.ts";
import { assert, eventually, test } from "../support/test.ts";
import { client, never, nothingKnown } from "./client.ts";
import { listen } from "../support/http-server.ts";
import { digestOf, manifest, platform, registryOf } from "./manifests.ts";
import { startProxy } from "./proxy-server.ts";
import { authority, bytesOf } from "./tls.ts";

const mib = 1024 * 1024;
const blob = { mediaType: "x", digest: digestOf("x"), sizeBytes: 128 * mib };

/** Serves the blob over TLS; `sent` counts what left, `isStuck` says that nobody takes more. */
async function serveBlob(undo: Undo) {
  const by = await authority(undo);
  const pair = await bytesOf(await by.issue("server", "DNS:registry.test,IP:127.0.0.1"));
  const progress = { sent: 0, changedAt: 0 };
  const host = await listen(
    undo,
    createServer(pair, async (request, response) => {
      if (!request.url?.includes("/blobs/")) return registryOf(manifest())(request, response);
      response.writeHead(200, { "content-length": blob.sizeBytes });
      const chunk = Buffer.alloc(mib, 7);
      while (progress.sent < blob.sizeBytes && !response.destroyed) {
        progress.sent += chunk.length;
        progress.changedAt = performance.now();
        if (!response.write(chunk)) await new Promise((resolve) => response.once("drain", resolve));
      }
      response.end();
    }),
  );
  return { host, caFile: by.cert, progress };
}

async function stopsForSlowReader(
  undo: Undo,
  registry: string,
  caFile: string,
  environment: Environment,
  progress: {
    readonly sent: number;
    readonly changedAt: number;
  },
): Promise<void> {
  const { source } = await client(undo, { hosts: [{ host: registry, caFile }], idleTimeoutMs: 20_000 }, {
    environment,
  }).resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  const chunks = source.read(blob, 0, never)[Symbol.asyncIterator]();
  undo.add("the download", () => chunks.return?.());
  let read = (await chunks.next()).value?.length ?? 0;
  // Once the connection's buffers are full nothing leaves the server any more.
  await eventually(
    "the server to stand still",
    () => progress.sent === blob.sizeBytes || performance.now() - progress.changedAt > 500,
  );
  assert.ok(
    progress.sent < blob.sizeBytes / 2,
    `${progress.sent} bytes were sent to a reader that took ${read}`,
  );
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) read += next.value.length;
  assert.is(read, blob.sizeBytes);
}

test("does not take in over TLS what its reader does not take", async (undo) => {
  const { host, caFile, progress } = await serveBlob(undo);
  await stopsForSlowReader(undo, host, caFile, {}, progress);
});

test("does not take it in through a proxy's tunnel either", async (undo) => {
  const { host, caFile, progress } = await serveBlob(undo);
  const proxy = await startProxy(undo);
  const environment = { HTTPS_PROXY: proxy.host };
  await stopsForSlowReader(undo, host.replace("127.0.0.1", "registry.test"), caFile, environment, progress);
  assert.is(proxy.asked.length, 1);
});
