import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Undo } from "../../core/support/undo.ts";
import { Network } from "../../plugins/registry/network.ts";
import { HttpPushRegistries } from "../../plugins/registry/upload-registries.ts";
import { assert, test } from "../support/test.ts";
import { never, settings } from "./client.ts";

const mib = 1024 * 1024;

/** A registry that counts bytes and forgets them, with a breath after each piece. */
async function startCounter(undo: Undo) {
  const counter = { received: 0, host: "" };
  const server = createServer(async (request, response) => {
    for await (const chunk of request) {
      counter.received += chunk.length;
      await setImmediate();
    }
    response.writeHead(request.method === "PUT" ? 201 : 202, { location: "/up" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.add("registry", () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  });
  counter.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return counter;
}

for (const isKnown of [true, false]) {
  test(`reads no further ahead than the registry takes it, digest ${isKnown ? "known" : "unknown"}`, async (undo) => {
    const counter = await startCounter(undo);
    const network = new Network(settings(), {});
    undo.add("client", () => network.close());
    const remote = { registry: counter.host, repository: "app" };
    const repository = new HttpPushRegistries(network, settings()).repository(remote, undefined);
    const sizeBytes = 200 * mib;
    const chunk = Buffer.alloc(mib, 1);
    let ahead = 0;
    await repository.uploadBlob({
      ...(isKnown && { blob: { digest: `sha256:${"a".repeat(64)}`, sizeBytes } }),
      async *read() {
        for (let at = 0; at < sizeBytes; at += mib) yield chunk;
      },
      observe: (sent) => ahead = Math.max(ahead, sent - counter.received),
      retrying: () => {},
    }, never);
    assert.is(counter.received, sizeBytes);
    // Sockets hold some megabytes on both sides.
    assert.ok(ahead < 24 * mib, `${ahead} bytes were on their way at once`);
  });
}
