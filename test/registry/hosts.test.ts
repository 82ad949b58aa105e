import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Hosts } from "../../plugins/registry/hosts.ts";
import { assert, test } from "../support/test.ts";
import { settings } from "./client.ts";
import { authority } from "./tls.ts";

const address = (given: object, registry: string) => new Hosts(settings(given)).address(registry).href;

test("reaches loopback and listed hosts over plain http, others over https", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"]) {
    assert.is(address({}, host), `http://${host}/`);
  }
  const listed = { plainHttp: ["a.test"], hosts: [{ host: "b.test:80", plainHttp: true }] };
  assert.is(address(listed, "a.test"), "http://a.test/");
  assert.is(address(listed, "b.test:80"), "http://b.test/");
  assert.is(address(listed, "b.test"), "https://b.test/");
  assert.is(address(listed, "127.0.0.1.test"), "https://127.0.0.1.test/");
});

test("reaches loopback over https when its entry speaks of certificates", () => {
  assert.is(address({ hosts: [{ host: "localhost", plainHttp: false }] }, "localhost"), "https://localhost/");
  const insecure = { hosts: [{ host: "127.0.0.1:1", insecureSkipVerify: true }] };
  assert.is(address(insecure, "127.0.0.1:1"), "https://127.0.0.1:1/");
});

test("knows Docker Hub by all its names", () => {
  const hosts = new Hosts(
    settings({ hosts: [{ host: "docker.io", mirrors: ["https://mirror.test:5000"] }] }),
  );
  for (const name of ["docker.io", "index.docker.io", "registry-1.docker.io"]) {
    assert.is(hosts.address(name).href, "https://registry-1.docker.io/");
    assert.equal(hosts.mirrors(name).map(({ href }) => href), ["https://mirror.test:5000/"]);
  }
});

test("knows a host with the port that https has anyway", async (undo) => {
  const { cert } = await authority(undo);
  const hosts = new Hosts(settings({ hosts: [{ host: "a.test:443", caFile: cert }] }));
  assert.ok(hosts.trust(new URL("https://a.test/v2/")).secureContext);
  assert.is(hosts.trust(new URL("https://a.test:444/v2/")).secureContext, undefined);
});

test("names the key of what is wrong, and repeats no password", async (undo) => {
  const { folder, cert } = await authority(undo);
  const garbage = join(folder, "garbage.pem");
  await writeFile(garbage, "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  const text = join(folder, "text");
  await writeFile(text, "hello");
  const cases: [object, RegExp][] = [
    [{ host: "a b" }, /^plugins\.registry\.hosts\.0\.host: a b is no host or host:port$/],
    [
      { host: "a", caFile: "/nowhere/ca.pem" },
      /^plugins\.registry\.hosts\.0\.caFile: cannot be read: ENOENT/,
    ],
    [{ host: "a", caFile: text }, /^plugins\.registry\.hosts\.0\.caFile: .* is not a PEM file$/],
    [{ host: "a", caFile: garbage }, /^plugins\.registry\.hosts\.0\.caFile: cannot be used: /],
    [{ host: "a", clientCertFile: cert }, /^plugins\.registry\.hosts\.0\.clientKeyFile: is missing/],
    [{ host: "a", clientKeyFile: cert }, /^plugins\.registry\.hosts\.0\.clientCertFile: is missing/],
    [{ host: "a", plainHttp: true, caFile: cert }, /^plugins\.registry\.hosts\.0\.caFile: is of no use/],
    [{ host: "a", mirrors: ["m.test"] }, /^plugins\.registry\.hosts\.0\.mirrors\.0: is not an address/],
    [{ host: "a", mirrors: ["https://m/x"] }, /^plugins\.registry\.hosts\.0\.mirrors\.0: has a path/],
    [
      { host: "a", mirrors: ["https://u:hidden@m"] },
      /^plugins\.registry\.hosts\.0\.mirrors\.0: has a user name/,
    ],
  ];
  for (const [host, message] of cases) {
    assert.throws(
      () => new Hosts(settings({ hosts: [host] })),
      (error: Error) => message.test(error.message) && !error.message.includes("hidden"),
      String(message),
    );
  }
  assert.throws(() => settings({ hosts: [{ host: "a", nonsense: 1 }] }), /hosts\.0\.nonsense: unknown key/);
  assert.throws(
    () => new Hosts(settings({ hosts: [{ host: "docker.io" }, { host: "registry-1.docker.io" }] })),
    /hosts\.1\.host: registry-1\.docker\.io has an entry already/,
  );
});
