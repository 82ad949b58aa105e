import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { version } from "../../core/support/about.ts";
import { root } from "../../scripts/tests/root.ts";
import { assert, test } from "../support/test.ts";

test("tells the version that the package has", async () => {
  assert.is(version, JSON.parse(await readFile(join(root, "package.json"), "utf8")).version);
});
