import { randomFillSync } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { behind, gzipped } from "../../plugins/push/gzip.ts";
import { assert, rejection, test } from "../support/test.ts";

async function* cut(bytes: Uint8Array, sizeBytes: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

async function whole(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

const text = Buffer.from("berth ".repeat(500_000));
const random = randomFillSync(Buffer.alloc(2_500_000));

test("what comes out unpacks to what went in", async () => {
  for (const bytes of [text, random, Buffer.from("x"), Buffer.alloc(0), Buffer.concat([random, text])]) {
    const packed = await whole(gzipped(cut(bytes, 100_000), 1));
    assert.ok(gunzipSync(packed).equals(bytes), `${bytes.length} bytes`);
  }
});

test("it does not depend on how the bytes were cut", async () => {
  const bytes = Buffer.concat([text, random]);
  const [one, two] = [
    await whole(gzipped(cut(bytes, 65_536), 1)),
    await whole(gzipped(cut(bytes, 999_983), 1)),
  ];
  assert.ok(one.equals(two));
});

test("leaves alone what cannot be made smaller, and makes the rest so", async () => {
  assert.ok((await whole(gzipped(cut(random, 100_000), 9))).length < random.length * 1.001);
  assert.ok((await whole(gzipped(cut(text, 100_000), 1))).length < text.length / 20);
});

test("what lies behind an offset is the rest of the same bytes", async () => {
  const packed = await whole(gzipped(cut(random, 100_000), 1));
  for (const offset of [0, 1, 1_500_000, packed.length]) {
    const rest = await whole(behind(gzipped(cut(random, 77_777), 1), offset));
    assert.ok(rest.equals(packed.subarray(offset)));
  }
});

test("holds few blocks at a time, and passes on what breaks", async () => {
  let read = 0;
  async function* endless(): AsyncIterable<Uint8Array> {
    for (;; read++) yield Buffer.alloc(1024 * 1024, read);
  }
  for await (const _ of gzipped(endless(), 1)) break;
  assert.ok(read < 8, `${read} MiB were read for one block`);
  async function* broken(): AsyncIterable<Uint8Array> {
    yield random;
    throw new Error("the disk is gone");
  }
  assert.is((await rejection(whole(gzipped(broken(), 1)))).message, "the disk is gone");
});
