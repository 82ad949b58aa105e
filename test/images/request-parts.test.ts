import { credentialsOf } from "../../plugins/images/credentials.ts";
import { parsePlatform } from "../../plugins/images/platform.ts";
import { assert, test } from "../support/test.ts";

const header = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

test("reads credentials in each form that clients send", () => {
  const pair = { username: "u", password: "p:q", identitytoken: undefined, registrytoken: undefined };
  assert.equal(credentialsOf(header({ username: "u", password: "p:q", serveraddress: "x" })), pair);
  assert.equal(credentialsOf(header({ auth: Buffer.from("u:p:q").toString("base64") })), pair);
  assert.equal(
    credentialsOf(Buffer.from(JSON.stringify({ username: "ü" })).toString("base64"))?.username,
    "ü",
  );
  assert.is(credentialsOf(header({ identitytoken: "t" }))?.identitytoken, "t");
});

test("takes headers without credentials for none", () => {
  for (
    const text of [undefined, "", header({}), header(null), header([]), header(1), "%%%", "bm90IGpzb24="]
  ) {
    assert.is(credentialsOf(text), undefined, text);
  }
});

test("reads platforms as users write them", () => {
  assert.is(parsePlatform(""), undefined);
  assert.equal(parsePlatform("linux/arm64/v8"), { os: "linux", architecture: "arm64", variant: "v8" });
  assert.equal(parsePlatform("x86_64"), { os: "linux", architecture: "amd64" });
  assert.equal(parsePlatform("Linux/armhf"), { os: "linux", architecture: "arm", variant: "v7" });
  assert.throws(
    () => parsePlatform("linux/mips/foo/bar"),
    /^"linux\/mips\/foo\/bar": cannot parse platform specifier: invalid argument$/,
  );
  assert.throws(() => parsePlatform("linux//"), /cannot parse platform specifier/);
});
