/** Platforms as users and clients write them, and which image suits which. Source: containerd `platforms`. */
import type { Query } from "../../core/kernel/request.ts";
import { invalid, messageOf, notFound } from "../../core/support/errors.ts";
import type { Platform } from "./backend.ts";

/** Node's names of processor architectures in OCI's terms, where they differ. */
const ofNode: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/** Other names of architectures that users write. */
const aliases: ReadonlyMap<string, Pick<Platform, "architecture" | "variant">> = new Map(Object.entries({
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  i386: { architecture: "386" },
  aarch64: { architecture: "arm64" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
}));

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));
const operatingSystems = words(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos",
);
const architectures = words(
  "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 " +
    "mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm",
);

/** The platform of the machine the daemon runs on. */
export function hostPlatform(): Platform {
  return { os: "linux", architecture: ofNode[process.arch] ?? process.arch };
}

/** Reads `linux/arm64/v8`, `arm64` or `linux`; undefined for an empty text. Errors in Docker's words. */
export function parsePlatform(text: string): Platform | undefined {
  if (!text) return undefined;
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9_.-]+$/.test(part))) {
    throw invalid(`${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`);
  }
  const [first = "", second, variant] = parts;
  if (second === undefined) return parseOne(text, first);
  return { os: first, ...architecture(second), ...(variant !== undefined && { variant }) };
}

/** An operating system or an architecture; the other is the host's. */
function parseOne(text: string, word: string): Platform {
  if (operatingSystems.has(word)) return { ...hostPlatform(), os: word };
  const named = architecture(word);
  if (architectures.has(named.architecture)) return { os: "linux", ...named };
  throw invalid(`${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`);
}

const architecture = (name: string) => aliases.get(name) ?? { architecture: name };

/**
 * Reads a query parameter that holds a platform as JSON, `{"os":"linux","architecture":"arm64"}`; undefined when it
 * is absent or empty. Errors: `invalid` in Docker's words. Source: Engine API 1.48, `platform` of history and inspect.
 */
export function platformIn(query: Query, parameter: string): Platform | undefined {
  const text = query.text(parameter);
  return text ? decodePlatform(text) : undefined;
}

/** Reads a platform written as JSON. Errors: `invalid` in Docker's words. */
export function decodePlatform(text: string): Platform {
  const { os, architecture: name, variant } = decodeFields(text);
  if (!os || !name) {
    throw invalid(
      !os && !name && variant
        ? "optional platform fields provided, but OS and Architecture are missing"
        : "both OS and Architecture must be provided",
    );
  }
  return { os, ...architecture(name), ...(variant && { variant }) };
}

function decodeFields(text: string): Partial<Platform> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw invalid(`failed to parse platform: ${messageOf(error)}`, error);
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw invalid("failed to parse platform: not a JSON object");
  }
  const fields = raw as Record<string, unknown>;
  for (const name of ["os", "architecture", "variant"]) {
    if (!["string", "undefined"].includes(typeof fields[name])) {
      throw invalid(`failed to parse platform: ${name} is not a text`);
    }
  }
  return fields as Partial<Platform>;
}

/** `linux/arm64/v8`. */
export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant ? [variant] : [])].join("/");

/**
 * Whether what was made for one platform serves where another is wanted: 32-bit ARM runs what was made for older
 * variants, and an image that names no variant serves every one.
 */
export function suits(has: Platform, wanted: Platform): boolean {
  if (has.os !== wanted.os || has.architecture !== wanted.architecture) return false;
  if (!has.variant || has.variant === wanted.variant) return true;
  const wantedVariant = wanted.variant ?? standardVariants.get(has.architecture);
  if (has.architecture !== "arm") return has.variant === wantedVariant;
  return Number(has.variant.slice(1)) <= Number(wantedVariant?.slice(1));
}

/** The variant that is meant when none is named. */
const standardVariants: ReadonlyMap<string, string> = new Map([["arm64", "v8"], ["arm", "v7"], [
  "amd64",
  "v1",
]]);

/**
 * Refuses an image that was made for another platform than the one asked for, if one was. Errors: `not-found` in
 * Docker's words, which name the image as the client did.
 */
export function checkPlatform(has: Platform, name: string, wanted: Platform | undefined): void {
  if (!wanted || suits(has, wanted)) return;
  throw notFound(mismatch(has, name, wanted));
}

/** Docker's words for an image of another platform than the one asked for. */
export const mismatch = (has: Platform, name: string, wanted: Platform): string =>
  `image with reference ${name} was found but its platform (${formatPlatform(has)}) does not match ` +
  `the specified platform (${formatPlatform(wanted)})`;
