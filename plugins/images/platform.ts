import { invalid } from "../../core/support/errors.ts";
import type { Platform } from "./backend.ts";

/** Node's names of processor architectures in OCI's terms, where they differ. */
const ofNode: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/** Other names of architectures that users write. Source: containerd `platforms`. */
const aliases: ReadonlyMap<string, Pick<Platform, "architecture" | "variant">> = new Map(Object.entries({
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  i386: { architecture: "386" },
  aarch64: { architecture: "arm64" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
}));

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
  if (second === undefined) {
    return first === "linux" ? hostPlatform() : { os: "linux", ...architecture(first) };
  }
  return { os: first, ...architecture(second), ...(variant !== undefined && { variant }) };
}

const architecture = (name: string) => aliases.get(name) ?? { architecture: name };
