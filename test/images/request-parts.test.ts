import { credentialsOf } from "../../plugins/images/credentials.ts";
import { decodePlatform, parsePlatform, suits } from "../../plugins/images/platform.ts";
import { progressBar } from "../../plugins/images/progress-bar.ts";
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

test("reads platforms as clients send them", () => {
  assert.equal(decodePlatform('{"os":"linux","architecture":"x86_64","os.version":"1"}'), {
    os: "linux",
    architecture: "amd64",
  });
  const refusal = /^(failed to parse platform: .|both OS and Architecture must be provided$)/;
  for (const text of ["x", "[]", "null", "1", "{}", '{"os":"linux"}', '{"os":1,"architecture":"amd64"}']) {
    assert.throws(() => decodePlatform(text), refusal, text);
  }
  assert.throws(() => decodePlatform('{"variant":"v8"}'), /^optional platform fields provided, but/);
});

test("tells which image suits which platform", () => {
  const does = (has: string, wanted: string) => suits(parsePlatform(has)!, parsePlatform(wanted)!);
  const yes = [
    ["linux/amd64", "linux/amd64"],
    ["linux/arm", "linux/arm/v6"],
    ["linux/arm/v6", "linux/arm/v7"],
    ["linux/arm/v7", "linux/arm"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64", "linux/arm64/v8"],
    ["linux/amd64", "linux/amd64/v3"],
  ] as const;
  for (const [has, wanted] of yes) assert.ok(does(has, wanted), `${has} for ${wanted}`);
  const no = [
    ["linux/amd64", "linux/arm64"],
    ["windows/amd64", "linux/amd64"],
    ["linux/arm/v7", "linux/arm/v6"],
    ["linux/amd64/v3", "linux/amd64"],
    ["linux/arm64/v9", "linux/arm64"],
  ] as const;
  for (const [has, wanted] of no) assert.not.ok(does(has, wanted), `${has} for ${wanted}`);
});

test("draws bars as Docker does", () => {
  assert.is(progressBar(3678, 200276), `[>${" ".repeat(50)}]  3.678kB/200.3kB`);
  assert.is(progressBar(32768, 200276), `[========>${" ".repeat(42)}]  32.77kB/200.3kB`);
  assert.is(progressBar(269, 269), `[${"=".repeat(50)}>]     269B/269B`);
  assert.is(progressBar(0, 1_000_000), `[>${" ".repeat(50)}]       0B/1MB`);
  assert.is(progressBar(3, 2), `[${"=".repeat(50)}>]       3B`);
  assert.is(progressBar(1_234_567_890, 0), " 1.235GB");
  assert.is(progressBar(0, 0), "");
});
