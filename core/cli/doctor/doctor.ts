import type { BuiltInTable } from "../../kernel/loader.ts";
import type { CommonOptions } from "../options.ts";
import { printJson, printLine } from "../output.ts";
import type { Finding, HostCheck } from "./check.ts";
import { hostChecks } from "./checks.ts";
import { hostNeeds } from "./needs.ts";

type Result = HostCheck & Finding;

/** Options of `berth doctor`. */
export interface DoctorOptions extends CommonOptions {
  readonly config?: string;
}

/**
 * `berth doctor`: looks at the host for what a daemon with this config needs, and says what to install. Exit code 1
 * when something required is missing.
 */
export async function examineHost(options: DoctorOptions, builtIns: BuiltInTable): Promise<void> {
  const needs = await hostNeeds(options.config, builtIns, options.dataDir);
  const results: Result[] = [];
  for (const check of hostChecks(needs)) results.push({ ...check, ...await check.look() });
  const missing = results.filter(({ ok, required }) => required && !ok);
  if (options.json) printJson({ ok: missing.length === 0, checks: results.map(resultJson) });
  else tell(results, missing);
  if (missing.length > 0) process.exitCode = 1;
}

function resultJson({ look: _, ...result }: Result) {
  return result;
}

function tell(results: readonly Result[], missing: readonly Result[]): void {
  const width = Math.max(...results.map(({ name }) => name.length));
  for (const { name, ok, detail, neededFor, package: from, advice } of results) {
    printLine(`${ok ? "ok     " : "missing"}  ${name.padEnd(width)}  ${detail}`);
    if (ok) continue;
    const way = [from && `install the package ${from}`, advice].filter(Boolean).join("; ");
    printLine(`         ${" ".repeat(width)}  needed for ${neededFor}${way && `: ${way}`}`);
  }
  const packages = [...new Set(missing.flatMap((each) => each.package ?? []))];
  if (packages.length > 0) printLine(`\napt-get install ${packages.join(" ")}`);
  if (missing.length === 0) printLine("\nthis host has everything");
}
