import { stdcopyFrame, StdcopyParser } from "../../core/support/stdcopy.ts";
import { assert, test } from "../support/test.ts";

const text = (value: string) => new TextEncoder().encode(value);

test("puts stream number and big-endian length before the bytes", () => {
  assert.equal([...stdcopyFrame("stderr", text("ab"))], [2, 0, 0, 0, 0, 0, 0, 2, 97, 98]);
});

test("takes frames apart whatever the pieces they arrive in", () => {
  const bytes = Buffer.concat([stdcopyFrame("stdout", text("one")), stdcopyFrame("stderr", text("two"))]);
  for (let size = 1; size <= bytes.length; size++) {
    const parser = new StdcopyParser();
    const seen: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const { stream, payload } of parser.push(bytes.subarray(at, at + size))) {
        seen.push(`${stream} ${Buffer.from(payload)}`);
      }
    }
    assert.equal(seen, ["stdout one", "stderr two"], `pieces of ${size}`);
  }
});

test("refuses a frame that claims more than any sender sends", () => {
  assert.throws(
    () => new StdcopyParser().push(Buffer.from([1, 0, 0, 0, 255, 255, 255, 255])),
    /over 16777216/,
  );
});
