import {
  familiar,
  isDigest,
  parseReference,
  parseWithTag,
  refuseAmbiguous,
  withDefaultTag,
} from "../../plugins/images/reference.ts";
import { assert, test } from "../support/test.ts";

const zeros = "0".repeat(64);

function messageFor(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected an error");
}

test("completes names as Docker does", () => {
  const cases: [string, string, string][] = [
    ["busybox", "docker.io", "library/busybox"],
    ["team/app", "docker.io", "team/app"],
    ["docker.io/busybox", "docker.io", "library/busybox"],
    ["index.docker.io/busybox", "docker.io", "library/busybox"],
    ["localhost/x", "localhost", "x"],
    ["localhost:5000/x", "localhost:5000", "x"],
    ["registry.example/a/b", "registry.example", "a/b"],
    ["HOST/x", "HOST", "x"],
    ["[::1]:5000/x", "[::1]:5000", "x"],
    ["ho_st.example/x", "ho_st.example", "x"],
    [`localhost/${"x".repeat(255)}`, "localhost", "x".repeat(255)],
  ];
  for (const [text, domain, path] of cases) assert.equal(parseReference(text), { domain, path }, text);
});

test("shows names as users write them", () => {
  for (const text of ["busybox:latest", "team/app:1", "127.0.0.1:5000/busybox:x", `a@sha256:${zeros}`]) {
    assert.is(familiar(withDefaultTag(parseReference(text))), text);
  }
  assert.is(familiar(withDefaultTag(parseReference("docker.io/library/busybox"))), "busybox:latest");
});

test("refuses what is not a reference in Docker's words", () => {
  const cases: [string, string][] = [
    ["UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"],
    ["a:b:c", "invalid reference format"],
    ["", "invalid reference format"],
    ["a//b", "invalid reference format"],
    ["../../etc", "invalid reference format"],
    ["a@sha256:123", "invalid reference format"],
    ["-host.example/a", "invalid reference format"],
    ["host.example./a", "invalid reference format"],
    [`a@sha256:${"A".repeat(64)}`, "invalid checksum digest format"],
    [`a@sha512:${zeros}`, "invalid checksum digest length"],
    [`a@md5:${zeros}`, "unsupported digest algorithm"],
    [`a@SHA256:${zeros}`, "invalid reference format: repository name (library/a@SHA256) must be lowercase"],
    [zeros, `invalid repository name (${zeros}), cannot specify 64-byte hexadecimal strings`],
    ["x".repeat(256), "repository name must not be more than 255 characters"],
    ["x/".repeat(100_000), "invalid reference format"],
  ];
  for (const [text, message] of cases) assert.is(messageFor(() => parseReference(text)), message);
  assert.is(messageFor(() => parseWithTag("busybox", "l!!")), "invalid tag format");
});

test("takes for digests what Docker takes", () => {
  assert.ok(isDigest(`sha256:${zeros}`));
  assert.ok(isDigest(`sha512:${zeros}${zeros}`));
  for (
    const text of [zeros, `sha512:${zeros}`, `sha256:${zeros}0`, `md5:${zeros}`, `sha256:${zeros}:`, "sha256"]
  ) {
    assert.not.ok(isDigest(text), text);
  }
  assert.is(parseReference(`a@sha512:${zeros}${zeros}`).digest, `sha512:${zeros}${zeros}`);
});

test("refuses repositories called like a digest's algorithm", () => {
  assert.throws(() => refuseAmbiguous(parseReference("sha256:ab")), /^refusing to create an ambiguous tag/);
  refuseAmbiguous(parseReference("team/sha256:ab"));
});

test("lets a tag given apart replace the one in the name", () => {
  assert.is(familiar(parseWithTag("busybox:one", "two")), "busybox:two");
  assert.is(familiar(parseWithTag("busybox", `sha256:${zeros}`)), `busybox@sha256:${zeros}`);
});

test("stays quick on names made to be slow", () => {
  const started = Date.now();
  messageFor(() => parseReference(`${"a".repeat(1000)}!`));
  messageFor(() => parseReference(`${"a-".repeat(500)}!`));
  assert.ok(Date.now() - started < 200);
});
