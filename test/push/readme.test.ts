import { readFile } from "node:fs/promises";
import { join } from "node:path";
import plugin from "../../plugins/push/plugin.ts";
import { checkoutRoot } from "../support/berth-command.ts";
import { assert, test } from "../support/test.ts";

test("the README lists every route", async () => {
  const readme = await readFile(join(checkoutRoot, "plugins/push/README.md"), "utf8");
  const listed = readme.split("### Served\n")[1]?.trim().split("\n\n")[0]?.replaceAll("\n", " ");
  const routes = (plugin.routes ?? []).map(({ method, path }) => `\`${method} ${path}\``);
  assert.is(listed, routes.join(", "));
});
