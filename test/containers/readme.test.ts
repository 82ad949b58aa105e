import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createFields, type Rule, type Rules } from "../../plugins/containers/create/create-fields.ts";
import plugin from "../../plugins/containers/plugin.ts";
import { checkoutRoot } from "../support/berth-command.ts";
import { assert, test } from "../support/test.ts";

const readme = await readFile(join(checkoutRoot, "plugins/containers/README.md"), "utf8");

test("the README lists every create field under what happens to it", () => {
  const fields = [...flat(createFields)];
  const listed = (wanted: (rule: Rule) => boolean) =>
    fields.filter(([, rule]) => wanted(rule)).map(([path, rule]) => `\`${path}\`${neutralText(rule)}`).join(
      ", ",
    );
  assert.is(section("Done as asked"), listed((rule) => "honoured" in rule));
  assert.is(section("Not there yet"), listed((rule) => "neutral" in rule && !("policy" in rule)));
  assert.is(section("Refused by policy"), listed((rule) => "policy" in rule));
});

test("the README lists every route", () => {
  const routes = (plugin.routes ?? []).map(({ method, path }) => `\`${method} ${path}\``);
  assert.is(section("Served"), routes.join(", "));
});

/** The fields with rules of their own, in the table's order, by their path. */
function* flat(rules: Rules, prefix = ""): Generator<[string, Rule]> {
  for (const [name, rule] of Object.entries(rules)) {
    if ("fields" in rule) yield* flat(rule.fields, `${prefix}${name}.`);
    else if ("each" in rule) yield* flat(rule.each, `${prefix}${name}.*.`);
    else yield [prefix + name, rule];
  }
}

/** Values that are accepted because they ask for nothing, and the policy's key. */
function neutralText(rule: Rule): string {
  if (!("neutral" in rule)) return "";
  const values = rule.neutral.filter((value) => !Array.isArray(value) || value.length < 2);
  const texts = values.map((value) => JSON.stringify(value)).filter((text) => text !== "{}");
  if ("policy" in rule) texts.unshift(rule.policy);
  return texts.length > 0 ? ` (${texts.join(", ")})` : "";
}

/** The list that a heading of the README stands over, its lines joined. */
function section(heading: string): string {
  const [, text = ""] = readme.split(`### ${heading}\n`);
  const list = text.split(/\n#/)[0]?.split("\n\n").find((part) => part.trim().startsWith("`")) ?? "";
  return list.trim().replaceAll("\n", " ");
}
