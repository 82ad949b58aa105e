import type { Query } from "../../core/kernel/request.ts";
import type { ApiVersion } from "../../core/kernel/version.ts";
import { invalid } from "../../core/support/errors.ts";
import { createdMs } from "./created.ts";
import { Glob } from "./glob.ts";
import type { ImageTable, NamedImage } from "./image-table.ts";
import { parseMoment } from "./until.ts";

/** Shows an image, with the names that the filters leave it, or hides it. */
export type ImageFilter = (image: NamedImage) => NamedImage | undefined;

type Filters = ReadonlyMap<string, readonly string[]>;
type Test = (image: NamedImage) => boolean;

const known = ["dangling", "label", "before", "since", "reference", "until"];
const knownToPrune = ["dangling", "label", "label!", "until"];

/** Reads the `filters` of the image list. Errors: `invalid` as Docker words it, `not-found` for `before` and `since`. */
export function imageFilter(query: Query, version: ApiVersion, table: ImageTable): ImageFilter {
  const filters = query.filters(known);
  // The parameter `filter` was a reference before 1.41.
  const old = version.atLeast("1.41") ? undefined : query.text("filter");
  if (old) filters.set("reference", [...filters.get("reference") ?? [], old]);
  const tests = [
    ...(filters.get("label") ?? []).map(labelTest),
    ...ageTests(filters, table),
  ];
  const narrow = referenceFilter(filters.get("reference"));
  const dangling = danglingTest(danglingOf(filters));
  return (image) => {
    const narrowed = tests.every((test) => test(image)) ? narrow(image) : undefined;
    return narrowed && dangling(narrowed) ? narrowed : undefined;
  };
}

/** Reads the `filters` of a prune: which images are to go unless they are used. Errors: `invalid` as Docker words it. */
export function pruneFilter(query: Query): Test {
  const filters = query.filters(knownToPrune);
  const tests = [...(filters.get("label") ?? []).map(labelTest), ...untilTests(filters)];
  const spared = (filters.get("label!") ?? []).map(labelTest);
  if (danglingOf(filters) ?? true) tests.push(({ tags }) => tags.length === 0);
  // As with Docker, who has all of the labels is spared, not who has one of them.
  if (spared.length > 0) tests.push((image) => !spared.every((test) => test(image)));
  return (image) => tests.every((test) => test(image));
}

function danglingOf(filters: Filters): boolean | undefined {
  const values = filters.get("dangling");
  if (!values) return undefined;
  const meanings = new Set(values.map((value) => meaningOf.get(value)));
  const [meaning] = meanings;
  if (meanings.size === 1 && meaning !== undefined) return meaning;
  throw invalid(`invalid filter 'dangling${values.length > 0 ? `=[${values.join(" ")}]` : ""}'`);
}

const meaningOf = new Map([["1", true], ["true", true], ["0", false], ["false", false]]);

/** To Docker an image that has only digests for names is neither surely dangling nor surely not: it shows in both. */
function danglingTest(wanted: boolean | undefined): Test {
  if (wanted === undefined) return () => true;
  return ({ tags, digests }) => wanted ? tags.length === 0 : tags.length + digests.length > 0;
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

/** An image that does not say when it was made is neither older nor younger than another. */
function ageTests(filters: Filters, table: ImageTable): Test[] {
  const createdOf = (name: string) => createdMs(table.find(name).config.created);
  return [
    ...(filters.get("before") ?? []).map(createdOf).map((limit) => olderThan(limit)),
    ...(filters.get("since") ?? []).map(createdOf).map((limit) => youngerThan(limit)),
    ...(filters.get("until") ?? []).map((text) => olderThan(parseMoment(text, Date.now()))),
  ];
}

function untilTests(filters: Filters): Test[] {
  const values = filters.get("until") ?? [];
  if (values.length > 1) throw invalid("more than one until filter specified");
  return values.map((text) => olderThan(parseMoment(text, Date.now())));
}

/** A limit that is not known limits nothing. */
const olderThan = (limitMs: number | undefined): Test => ({ image }) =>
  limitMs === undefined || (createdMs(image.config.created) ?? Infinity) < limitMs;

const youngerThan = (limitMs: number | undefined): Test => ({ image }) =>
  limitMs === undefined || (createdMs(image.config.created) ?? -Infinity) > limitMs;

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
