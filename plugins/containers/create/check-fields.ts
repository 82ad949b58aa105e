import { isDeepStrictEqual } from "node:util";
import { ApiError, invalid, unsupportedField } from "../../../core/support/errors.ts";
import type { Rule, Rules, Shape } from "./create-fields.ts";

const checks: Readonly<Record<Shape, { is: (value: unknown) => boolean; words: string }>> = {
  string: { is: (value) => typeof value === "string", words: "a string" },
  boolean: { is: (value) => typeof value === "boolean", words: "true or false" },
  integer: { is: Number.isSafeInteger, words: "a whole number" },
  strings: { is: isStrings, words: "a list of strings" },
  words: { is: (value) => typeof value === "string" || isStrings(value), words: "a list of strings" },
  labels: {
    is: (value) => isObject(value) && isStrings(Object.values(value)),
    words: "an object of strings",
  },
  set: { is: (value) => isObject(value) && Object.values(value).every(isEmpty), words: "an object" },
  size: {
    is: (value) =>
      Array.isArray(value) && value.length === 2 && value.every((n) => Number.isInteger(n) && n >= 0),
    words: "a pair of whole numbers",
  },
};

/**
 * Holds an object against a table of rules. Errors: 400 naming the first field that cannot be honoured or has the
 * wrong type, 403 for what policy refuses.
 *
 * @param prefix where the object stands in the body, `HostConfig.`
 */
export function checkFields(object: unknown, rules: Rules, prefix = ""): void {
  if (object === null || object === undefined) return;
  if (!isObject(object)) {
    throw invalid(`invalid JSON: ${prefix.slice(0, -1) || "the body"} must be an object`);
  }
  for (const [name, value] of Object.entries(object)) {
    const path = prefix + name;
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule) checkField(value, rule, path);
    else if (!isEmpty(value)) throw unsupportedField(path);
  }
}

function checkField(value: unknown, rule: Rule, path: string): void {
  if (value === null || value === undefined) return;
  if ("fields" in rule) return checkFields(value, rule.fields, `${path}.`);
  if ("each" in rule) {
    if (!isObject(value)) throw invalid(`invalid JSON: ${path} must be an object`);
    for (const [name, each] of Object.entries(value)) checkFields(each, rule.each, `${path}.${name}.`);
    return;
  }
  if ("honoured" in rule) return checkShape(value, rule.honoured, path);
  if (rule.neutral.some((neutral) => isDeepStrictEqual(neutral, value))) return;
  if (isEmpty(value) && !("exact" in rule && rule.exact)) return;
  throw "policy" in rule ? refusedByPolicy(path, value, rule.policy) : unsupportedField(path);
}

function checkShape(value: unknown, shape: Shape, path: string): void {
  const { is, words } = checks[shape];
  if (!is(value)) throw invalid(`invalid JSON: ${path} must be ${words}`);
}

/** 403 naming the field, the value and the policy's key. */
export const refusedByPolicy = (path: string, value: unknown, key: string) =>
  new ApiError(
    "forbidden",
    `${path} ${JSON.stringify(value).slice(0, 200)} is refused by policy (policy.${key}); leave it out`,
  );

/** Null, false, 0, "", [] and {}: what a client sends that means nothing by it. */
export function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  return !value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
