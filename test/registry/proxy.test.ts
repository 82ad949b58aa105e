import { createServer } from "node:https";
import type { Undo } from "../../core/support/undo.ts";
import { type Environment, Proxies } from "../../plugins/registry/proxy.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";
import { listen, serve } from "../support/http-server.ts";
import { layer, manifest, platform, registryOf } from "./manifests.ts";
import { startProxy, type TunnelRule } from "./proxy-server.ts";
import { type Authority, authority, bytesOf } from "./tls.ts";

const image = manifest([layer("bytes")]);

const answers: Parameters<typeof serve>[1] = (request, response) =>
  request.url?.includes("/blobs/") ? void response.end("bytes") : registryOf(image)(request, response);

async function serveTls(undo: Undo, by: Authority) {
  const pair = await bytesOf(await by.issue("server", "DNS:registry.test"));
  return (await listen(undo, createServer(pair, answers))).replace("127.0.0.1", "registry.test");
}

async function pull(
  undo: Undo,
  registry: string,
  host: object,
  environment: Environment,
  given: object = {},
) {
  const hosts = [{ host: registry, ...host }];
  const { source } = await client(undo, { hosts, ...given }, { environment })
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  return (await whole(source, source.layers[0]!)).toString();
}

test("reaches a registry with TLS through a tunnel, and checks who is behind it", async (undo) => {
  const by = await authority(undo);
  const registry = await serveTls(undo, by);
  const proxy = await startProxy(undo);
  const environment = { HTTPS_PROXY: `http://us%40er:pass@${proxy.host}` };
  assert.is(await pull(undo, registry, { caFile: by.cert }, environment), "bytes");
  // One tunnel serves both requests.
  assert.equal(proxy.asked, [`CONNECT ${registry} Basic ${btoa("us@er:pass")}`]);
  const error = await rejection(pull(undo, registry, {}, environment));
  assert.match(error.message, /certificate signed by unknown authority$/);
});

test("reaches a registry over plain http by asking the proxy for its address", async (undo) => {
  const registry = (await serve(undo, answers)).replace("127.0.0.1", "registry.test");
  const proxy = await startProxy(undo);
  const plain = { plainHttp: true };
  assert.is(await pull(undo, registry, plain, { http_proxy: `user:pass@${proxy.host}` }), "bytes");
  assert.is(proxy.asked[0], `GET http://${registry}/v2/app/manifests/latest Basic ${btoa("user:pass")}`);
});

test("speaks to a proxy over https too", async (undo) => {
  const by = await authority(undo);
  const registry = await serveTls(undo, by);
  const tls = await bytesOf(await by.issue("proxy", "DNS:localhost,IP:127.0.0.1"));
  const proxy = await startProxy(undo, { tls });
  const hosts = [{ host: registry, caFile: by.cert }, { host: proxy.host, caFile: by.cert }];
  assert.is(await pull(undo, registry, {}, { HTTPS_PROXY: `https://${proxy.host}` }, { hosts }), "bytes");
  assert.equal(proxy.asked, [`CONNECT ${registry} -`]);
  const plain = (await serve(undo, answers)).replace("127.0.0.1", "plain.test");
  const also = [...hosts, { host: plain, plainHttp: true }];
  assert.is(await pull(undo, plain, {}, { HTTP_PROXY: `https://${proxy.host}` }, { hosts: also }), "bytes");
});

test("takes what a proxy says instead of a tunnel for no answer of the registry", async (undo) => {
  const rules: [TunnelRule, RegExp][] = [
    [{ status: "407 Proxy Authentication Required" }, /: proxyconnect tcp: Proxy Authentication Required$/],
    [
      { status: '401 Unauthorized\r\nwww-authenticate: Bearer realm="https://evil.test/"' },
      /: Unauthorized$/,
    ],
    [{ status: "502 Bad Gateway" }, /: Bad Gateway$/],
    ["silent", /(?:the proxy does not answer|Client.Timeout exceeded while awaiting headers\))$/],
  ];
  for (const [rule, message] of rules) {
    const proxy = await startProxy(undo, { rule });
    const environment = { HTTPS_PROXY: `http://user:hidden@${proxy.host}` };
    const error = await rejection(pull(undo, "registry.test:1", {}, environment, { responseTimeoutMs: 200 }));
    assert.match(error.message, message);
    assert.not.match(error.message, "hidden");
    assert.is(proxy.asked.length, 1);
  }
});

test("says that the proxy cannot be reached", async (undo) => {
  const away = "http://u:hidden@127.0.0.1:1";
  for (const [host, scheme] of [[{}, "https"], [{ plainHttp: true }, "http"]] as const) {
    const error = await rejection(pull(undo, "registry.test", host, { HTTP_PROXY: away, HTTPS_PROXY: away }));
    assert.is(
      error.message,
      `Get "${scheme}://registry.test/v2/app/manifests/latest": ` +
        "proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused",
    );
  }
});

test("says that a proxy wants a password", async (undo) => {
  const proxy = await serve(undo, (_, response) => {
    response.writeHead(407, { "proxy-authenticate": "Basic" }).end();
  });
  const error = await rejection(
    pull(undo, "registry.test", { plainHttp: true }, { HTTP_PROXY: `http://${proxy}` }),
  );
  assert.match(error.message, /Proxy Authentication Required/);
});

test("lets settings win over the environment", async (undo) => {
  const registry = (await serve(undo, answers)).replace("127.0.0.1", "registry.test");
  const [good, bad] = [await startProxy(undo), await startProxy(undo)];
  const plain = { plainHttp: true };
  const environment = { HTTP_PROXY: bad.host, NO_PROXY: "*" };
  await pull(undo, registry, plain, environment, { proxy: { http: `http://${good.host}`, no: "" } });
  assert.equal([good.asked.length, bad.asked.length], [2, 0]);
  const direct = await rejection(
    pull(undo, registry, plain, { HTTP_PROXY: bad.host }, { proxy: { http: "" } }),
  );
  assert.match(direct.message, /lookup registry\.test/);
});

test("never asks a proxy for loopback", async (undo) => {
  const registry = await serve(undo, answers);
  const proxy = await startProxy(undo);
  assert.is(await pull(undo, registry, {}, { HTTP_PROXY: proxy.host, HTTPS_PROXY: proxy.host }), "bytes");
  assert.equal(proxy.asked, []);
});

/** The addresses of these that a proxy is asked for. */
const proxied = (no: string, urls: string[]) => {
  const proxies = new Proxies(undefined, { HTTP_PROXY: "p:1", HTTPS_PROXY: "p:1", NO_PROXY: no });
  return urls.filter((url) => proxies.of(new URL(url)) !== undefined);
};

test("reads NO_PROXY as Go does", () => {
  const cases: [no: string, asked: string[], direct: string[]][] = [
    ["", ["http://a.test", "https://10.0.0.1"], [
      "http://localhost",
      "https://127.8.8.8",
      "http://[::1]:5000",
    ]],
    ["*", [], ["http://a.test", "https://10.0.0.1"]],
    ["a.test", ["https://ba.test", "https://a.test.b"], ["https://a.test", "https://x.A.test:5000"]],
    [".a.test", ["https://a.test"], ["https://x.a.test"]],
    ["*.a.test", ["https://a.test"], ["https://x.y.a.test"]],
    ["a.test:5000", ["https://a.test", "http://a.test"], ["https://a.test:5000", "https://x.a.test:5000"]],
    ["a.test:443", ["http://a.test"], ["https://a.test"]],
    ["10.0.0.0/8, fd00::/8", ["https://11.0.0.1", "https://ten.test"], [
      "https://10.9.9.9",
      "https://[fd00::1]",
    ]],
    ["10.0.0.1,[fd00::2]:5000", ["https://10.0.0.2", "https://[fd00::2]"], [
      "https://10.0.0.1:1",
      "https://[fd00::2]:5000",
    ]],
    ["fd00::2", ["https://[fd00::3]"], ["https://[fd00::2]:5000"]],
    [" , ,b.test ,:80", ["http://a.test"], ["http://b.test"]],
  ];
  for (const [no, asked, direct] of cases) assert.equal(proxied(no, [...asked, ...direct]), asked, no);
});

test("names the variable or the key of what is no proxy, and repeats no password", () => {
  const cases: [object | undefined, Environment, RegExp][] = [
    [
      undefined,
      { HTTPS_PROXY: "socks5://u:hidden@p" },
      /^HTTPS_PROXY: proxies over socks5 are not supported/,
    ],
    [undefined, { http_proxy: "http://u:hidden@" }, /^HTTP_PROXY: is not the address of a proxy$/],
    [undefined, { HTTP_PROXY: "http://u:hidden%zz@p" }, /^HTTP_PROXY: is not the address of a proxy$/],
    [{ https: "http://u:hidden@a b" }, {}, /^plugins\.registry\.proxy\.https: is not the address/],
  ];
  for (const [given, environment, message] of cases) {
    assert.throws(
      () => new Proxies(given, environment),
      (error: Error) => message.test(error.message) && !error.message.includes("hidden"),
      String(message),
    );
  }
});
