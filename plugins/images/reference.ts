/**
 * Image references by Docker's rules. Source: distribution project, "reference" grammar, and the normalisation that
 * makes `busybox` mean `docker.io/library/busybox`; error words asked from Docker Engine 28.5.
 */
import { invalid } from "../../core/support/errors.ts";

/** A reference with nothing left implicit but the tag. */
export interface Reference {
  /** `docker.io`, or the host and port that stand first in the name. */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** The registry of names that name none. */
export const defaultDomain = "docker.io";
const officialPrefix = "library/";

const domainComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domainPattern = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathComponent = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const tagPattern = "\\w[\\w.-]{0,127}";
const digestPattern = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
/** What is no domain may still be the first part of a longer path. */
const wholeDomain = new RegExp(`^(?:${domainPattern}|${pathComponent})$`);
const wholeTag = new RegExp(`^${tagPattern}$`);
const wholeDigest = new RegExp(`^${digestPattern}$`);
const remainderShape = new RegExp(
  `^(${pathComponent}(?:/${pathComponent})*)(?::(${tagPattern}))?(?:@(${digestPattern}))?$`,
);

const longestPath = 255;
/** Nothing longer is looked at: the patterns above take time that grows with the text. */
const longestReference = 1024;

/** Reads a reference as a user writes it. Errors: `invalid` in Docker's words. */
export function parseReference(text: string): Reference {
  if (text.length > longestReference) throw invalid("invalid reference format");
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(text);
  const name = remainder.split(":", 1)[0] ?? "";
  if (name !== name.toLowerCase()) {
    throw invalid(`invalid reference format: repository name (${name}) must be lowercase`);
  }
  const match = remainderShape.exec(remainder);
  if (!match || !wholeDomain.test(domain)) throw invalid("invalid reference format");
  const [, path = "", tag, digest] = match;
  if (path.length > longestPath) {
    throw invalid("repository name must not be more than 255 characters");
  }
  if (digest !== undefined) checkDigest(digest);
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const domain = !isDomain || first === "index.docker.io" ? defaultDomain : first;
  const remainder = isDomain ? text.slice(slash + 1) : text;
  const official = domain === defaultDomain && !remainder.includes("/");
  return { domain, remainder: official ? officialPrefix + remainder : remainder };
}

/** Hex digits of each algorithm's digests. */
const digestLengths: ReadonlyMap<string, number> = new Map([["sha256", 64], ["sha384", 96], ["sha512", 128]]);

function checkDigest(digest: string): void {
  const [algorithm = "", hex = ""] = digest.split(":");
  const length = digestLengths.get(algorithm);
  if (length === undefined) throw invalid("unsupported digest algorithm");
  if (hex.length !== length) throw invalid("invalid checksum digest length");
  if (/[A-F]/.test(hex)) throw invalid("invalid checksum digest format");
}

/** Whether a text is the digest of something, and so the ID of an image rather than a name. */
export function isDigest(text: string): boolean {
  const [algorithm = "", hex = "", ...more] = text.split(":");
  return more.length === 0 && digestLengths.get(algorithm) === hex.length && /^[0-9a-f]+$/.test(hex);
}

/**
 * A repository and a tag or digest given apart, as `fromImage`/`tag` and `repo`/`tag` are. A tag replaces the one in
 * the repository's text.
 */
export function parseWithTag(repository: string, tag: string): Reference {
  const reference = parseReference(repository);
  if (!tag) return reference;
  if (wholeDigest.test(tag)) {
    checkDigest(tag);
    return { domain: reference.domain, path: reference.path, digest: tag };
  }
  return withTag(reference, tag);
}

/** With this tag in place of its own, or as it is for an empty one. Errors: `invalid` in Docker's words. */
export function withTag(reference: Reference, tag: string): Reference {
  if (!tag) return reference;
  if (!wholeTag.test(tag)) throw invalid("invalid tag format");
  return { ...reference, tag };
}

/** With the tag `latest` when it has neither tag nor digest. */
export const withDefaultTag = (reference: Reference): Reference =>
  reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: "latest" } : reference;

/** The name as users see it: `busybox`, `team/app`, `registry.example/team/app`. */
export function familiarName({ domain, path }: Reference): string {
  if (domain !== defaultDomain) return `${domain}/${path}`;
  const short = path.startsWith(officialPrefix) ? path.slice(officialPrefix.length) : path;
  // `library/a/b` would not come back as itself.
  return short.includes("/") ? path : short;
}

/** The whole reference as users see it. */
export function familiar(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return familiarName(reference) + tag + digest;
}

/** Refuses a repository called like a digest's algorithm: `sha256:ab` is an ID. Errors: `invalid` in Docker's words. */
export function refuseAmbiguous(reference: Reference): void {
  if (familiarName(reference) !== "sha256") return;
  throw invalid("refusing to create an ambiguous tag using digest algorithm as name");
}

/** The whole reference with nothing left out: `docker.io/library/busybox:latest`. */
export function canonical({ domain, path, tag, digest }: Reference): string {
  return `${domain}/${path}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}
