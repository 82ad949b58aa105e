import { resolveUser } from "../../plugins/containerd/containers/users.ts";
import { assert, test } from "../support/test.ts";

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false

broken line
worker:x:1234:1235:worker:/home:/bin/sh
bad:x:-5:x::
`;
const group = `root:x:0:
wheel:x:10:root,worker
workers:x:1235:
docker:x:999:worker
empty
`;

const resolved = (wanted: string, passwdText = passwd, groupText = group) => {
  const { uid, gid, additionalGids } = resolveUser(wanted, passwdText, groupText);
  return [uid, gid, ...additionalGids];
};

test("an empty user is root, with root's groups", () => {
  assert.equal(resolved(""), [0, 0, 10]);
  assert.equal(resolved("", "", ""), [0, 0]);
});

test("a name or its number brings the user's own and further groups", () => {
  assert.equal(resolved("worker"), [1234, 1235, 10, 999]);
  assert.equal(resolved("1234"), [1234, 1235, 10, 999]);
});

test("a number that the image does not know runs in group 0", () => {
  assert.equal(resolved("5000"), [5000, 0]);
});

test("a named group replaces all others", () => {
  assert.equal(resolved("worker:wheel"), [1234, 10]);
  assert.equal(resolved("worker:77"), [1234, 77]);
  assert.equal(resolved(":docker"), [0, 999]);
});

test("unknown names and numbers out of range are refused in Docker's words", () => {
  const words = {
    "nosuch": "unable to find user nosuch: no matching entries in passwd file",
    "worker:nosuch": "unable to find group nosuch: no matching entries in group file",
    "bad": "unable to find user bad: no matching entries in passwd file",
    "-1": "uids and gids must be in range 0-2147483647",
    "99999999999": "uids and gids must be in range 0-2147483647",
    "0:-1": "uids and gids must be in range 0-2147483647",
  };
  for (const [wanted, message] of Object.entries(words)) {
    assert.throws(
      () => resolved(wanted),
      (error: Error & { kind?: string }) => error.message === message && error.kind === "invalid",
      wanted,
    );
  }
});
