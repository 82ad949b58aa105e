import { readFile } from "node:fs/promises";
import { createServer, type ServerOptions } from "node:https";
import { createServer as createTcpServer } from "node:net";
import type { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown } from "./client.ts";
import { listen, serve } from "../support/http-server.ts";
import { manifest, platform, registryOf } from "./manifests.ts";
import { type Authority, authority, bytesOf } from "./tls.ts";

async function serveTls(
  undo: Undo,
  by: Authority,
  options: ServerOptions = {},
  alternatives = "IP:127.0.0.1",
) {
  const pair = await bytesOf(await by.issue("server", alternatives));
  return await listen(undo, createServer({ ...pair, ...options }, registryOf(manifest())));
}

async function resolve(undo: Undo, registry: string, host: object = {}) {
  const hosts = [{ host: registry, plainHttp: false, ...host }];
  const { source } = await client(undo, { hosts })
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  return source.origin;
}

test("trusts the authority that a host's entry names, for that host", async (undo) => {
  const by = await authority(undo);
  const registry = await serveTls(undo, by);
  assert.is(await resolve(undo, registry, { caFile: by.cert }), `${registry}/app`);
  const error = await rejection(resolve(undo, registry));
  assert.is(
    error.message,
    `Get "https://${registry}/v2/app/manifests/latest": ` +
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  );
});

test("uses the authority that it was given for no other host", async (undo) => {
  const by = await authority(undo);
  const registry = await serveTls(undo, by);
  const hosts = [{ host: registry, plainHttp: false }, { host: "other.test", caFile: by.cert }];
  const error = await rejection(
    client(undo, { hosts }).resolve({ registry, repository: "a" }, platform, undefined, never, nothingKnown),
  );
  assert.match(error.message, /unknown authority$/);
});

test("wants a certificate in the host's name, as Docker says it", async (undo) => {
  const by = await authority(undo);
  const registry = await serveTls(undo, by, {}, "DNS:registry.test,IP:127.0.0.9");
  const error = await rejection(resolve(undo, registry, { caFile: by.cert }));
  assert.match(
    error.message,
    /tls: failed to verify certificate: x509: certificate is valid for 127\.0\.0\.9, not 127\.0\.0\.1$/,
  );
});

test("takes any certificate where the operator says so", async (undo) => {
  const by = await authority(undo);
  const registry = await serveTls(undo, by, {}, "DNS:registry.test");
  assert.is(await resolve(undo, registry, { insecureSkipVerify: true }), `${registry}/app`);
});

test("shows a host the client certificate of its entry", async (undo) => {
  const by = await authority(undo);
  const wantsOne = { ca: await readFile(by.cert), requestCert: true, rejectUnauthorized: true };
  const registry = await serveTls(undo, by, wantsOne);
  const { cert, key } = await by.issue("client");
  const files = { caFile: by.cert, clientCertFile: cert, clientKeyFile: key };
  assert.is(await resolve(undo, registry, files), `${registry}/app`);
  const error = await rejection(resolve(undo, registry, { caFile: by.cert }));
  assert.match(error.message, /remote error: tls: certificate required$/);
});

test("says when a server answers http to https, as Docker does", async (undo) => {
  const registry = await serve(undo, registryOf(manifest()));
  const error = await rejection(resolve(undo, registry));
  assert.match(error.message, /^Get "https:.*": http: server gave HTTP response to HTTPS client$/);
});

test("shows credentials to no token server without TLS, and follows no redirect to plain http", async (undo) => {
  const by = await authority(undo);
  const pair = await bytesOf(await by.issue("server", "IP:127.0.0.1"));
  const seen: string[] = [];
  const plain = await serve(undo, ({ url = "" }, response) => {
    seen.push(url);
    response.end("{}");
  });
  const registry = await listen(
    undo,
    createServer(pair, (request, response) => {
      if (request.url?.includes("redirected")) {
        return void response.writeHead(307, { location: `http://${plain}/blob` }).end();
      }
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${plain}/token"` }).end();
    }),
  );
  const registries = client(undo, { hosts: [{ host: registry, caFile: by.cert }] });
  const pull = (repository: string) =>
    rejection(
      registries.resolve(
        { registry, repository },
        platform,
        { username: "u", password: "p" },
        never,
        nothingKnown,
      ),
    );
  assert.match((await pull("app")).message, /asks for a token from .* over plain http, which is refused$/);
  assert.match((await pull("redirected")).message, /redirected from https to plain http, which is refused$/);
  assert.equal(seen, []);
});

test("gives up on a server that never shakes hands", async (undo) => {
  const silent = createTcpServer((socket) => void socket.on("error", () => {}));
  const sockets = new Set<{ destroy(): void }>();
  silent.on("connection", (socket) => sockets.add(socket));
  const closable = Object.assign(silent, {
    closeAllConnections: () => sockets.forEach((socket) => socket.destroy()),
  });
  const registry = await listen(undo, closable);
  const hosts = [{ host: registry, plainHttp: false }];
  const error = await rejection(
    client(undo, { hosts, responseTimeoutMs: 150 })
      .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown),
  );
  assert.match(error.message, /Client.Timeout exceeded while awaiting headers/);
});
