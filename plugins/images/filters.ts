import type { Query } from "../../core/kernel/request.ts";
import type { ApiVersion } from "../../core/kernel/version.ts";
import { invalid } from "../../core/support/errors.ts";
import type { ImageTable, NamedImage } from "./image-table.ts";
import { createdSeconds } from "./created.ts";
import { Glob } from "./glob.ts";

/** Shows an image, with the names that the filters leave it, or hides it. */
export type ImageFilter = (image: NamedImage) => NamedImage | undefined;

const known = ["dangling", "label", "before", "since", "reference"];

/** Reads the `filters` of the image list. Errors: `invalid` as Docker words it, `not-found` for `before` and `since`. */
export function imageFilter(query: Query, version: ApiVersion, table: ImageTable): ImageFilter {
  const filters = query.filters(known);
  // The parameter `filter` was a reference before 1.41.
  const old = version.atLeast("1.41") ? undefined : query.text("filter");
  if (old) filters.set("reference", [...filters.get("reference") ?? [], old]);
  const tests = [
    ...danglingTest(filters.get("dangling")),
    ...(filters.get("label") ?? []).map(labelTest),
    ...(filters.get("before") ?? []).map((name) => ageTest(table, name, (age, other) => age < other)),
    ...(filters.get("since") ?? []).map((name) => ageTest(table, name, (age, other) => age > other)),
  ];
  const narrow = referenceFilter(filters.get("reference"));
  return (image) => tests.every((test) => test(image)) ? narrow(image) : undefined;
}

type Test = (image: NamedImage) => boolean;

function danglingTest(values: readonly string[] | undefined): Test[] {
  if (!values || values.length === 0) return [];
  const meanings = values.map((value) => {
    if (["1", "true"].includes(value)) return true;
    if (["0", "false"].includes(value)) return false;
    throw invalid(`invalid filter 'dangling=[${values.join(" ")}]'`);
  });
  return [({ tags }) => meanings.includes(tags.length === 0)];
}

/** `key` or `key=value`. */
function labelTest(filter: string): Test {
  const equals = filter.indexOf("=");
  const key = equals < 0 ? filter : filter.slice(0, equals);
  return ({ image }) => {
    const labels = image.config.config?.Labels ?? {};
    if (!Object.hasOwn(labels, key)) return false;
    return equals < 0 || labels[key] === filter.slice(equals + 1);
  };
}

function ageTest(table: ImageTable, name: string, compare: (age: number, other: number) => boolean): Test {
  const other = createdSeconds(table.find(name).config.created);
  return ({ image }) => compare(createdSeconds(image.config.created), other);
}

/** Keeps the names that match, and the images that have one left. */
function referenceFilter(patterns: readonly string[] | undefined): ImageFilter {
  if (!patterns || patterns.length === 0) return (image) => image;
  const globs = patterns.map((pattern) => new Glob(pattern));
  const matches = (name: string, repository: string) =>
    globs.some((each) => each.matches(name) || each.matches(repository));
  return (image) => {
    const tags = image.tags.filter((name) => matches(name, name.slice(0, name.lastIndexOf(":"))));
    const digests = image.digests.filter((name) => matches(name, name.slice(0, name.indexOf("@"))));
    return tags.length + digests.length > 0 ? { ...image, tags, digests } : undefined;
  };
}
