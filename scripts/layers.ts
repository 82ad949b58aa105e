/**
 * Checks who imports whom. Core's folders form layers and import downwards only; core never imports a plugin; a
 * plugin imports core, its own folder and other plugins' `backend.ts`; one file each may touch tsyringe and Deno.
 * Prints every breach as `file: reason` and exits 1 when there are any.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { root } from "./tests/root.ts";

/** Lowest first. */
const layers = ["support", "kernel", "http", "jobs", "control", "daemon", "cli"];
const onlyImporters: Readonly<Record<string, string>> = {
  "tsyringe": "core/kernel/scope.ts",
  "reflect-metadata": "core/kernel/scope.ts",
};
/** The composition root: the one file outside the plugins' folders that names them. */
const compositionRoot = "plugins/built-in.ts";
/** The runtime seam, and the parts of it that hold Deno's side. */
const runtimeSeam = /^core\/support\/(runtime|[a-z-]*deno[a-z-]*)\.ts$/;

const sources = ["core", "plugins"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => `${folder}/${path}`)
);
const breaches = sources.flatMap((file) => check(file).map((reason) => `${file}: ${reason}`));
for (const breach of breaches) console.error(breach);
console.log(`layers: ${sources.length} files, ${breaches.length} breaches`);
process.exit(breaches.length > 0 ? 1 : 0);

function check(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const reasons = importsOf(text).flatMap((specifier) => breach(file, specifier) ?? []);
  if (!runtimeSeam.test(file) && mentionsDeno(text)) {
    reasons.push("uses the Deno global; only core/support/runtime.ts and its *deno*.ts files may");
  }
  return reasons;
}

function importsOf(text: string): string[] {
  const statements = /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"/g;
  const bare = /(?:^|\n)\s*import\s+"([^"]+)"/g;
  const dynamic = /\bimport\(\s*"([^"]+)"\s*\)/g;
  return [statements, bare, dynamic].flatMap((form) => [...text.matchAll(form)].map((match) => match[1]!));
}

function mentionsDeno(text: string): boolean {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "").replace(/"[^"\n]*"/g, '""');
  return /\bDeno\./.test(code) || /\bDeno\b\s*[?!=]/.test(code);
}

function breach(file: string, specifier: string): string | undefined {
  const only = onlyImporters[specifier];
  if (only && only !== file) return `imports ${specifier}; only ${only} may`;
  if (!specifier.startsWith(".")) return undefined;
  if (file === compositionRoot) return undefined;
  const target = normalize(join(dirname(file), specifier));
  return file.startsWith("core/") ? coreBreach(file, target) : pluginBreach(file, target);
}

function coreBreach(file: string, target: string): string | undefined {
  if (!target.startsWith("core/")) return `imports ${target}; core imports core only`;
  const [own, theirs] = [layerOf(file), layerOf(target)];
  if (own < 0 || theirs < 0) return `imports ${target}; one of them lies in no layer (${layers.join(", ")})`;
  return theirs > own ? `imports ${target}, a layer above it` : undefined;
}

function layerOf(file: string): number {
  return layers.indexOf(file.split("/")[1]!);
}

function pluginBreach(file: string, target: string): string | undefined {
  const [top, folder, name] = target.split("/");
  if (top === "core") return undefined;
  if (top !== "plugins") return `imports ${target}; a plugin imports core and plugins only`;
  const sameFolder = folder === file.split("/")[1];
  return sameFolder || name === "backend.ts"
    ? undefined
    : `imports ${target}; of other plugins only backend.ts`;
}
