/** What each instruction does to a configuration. */
import { constants } from "node:os";
import { posix } from "node:path";
import { invalid } from "../../../core/support/errors.ts";
import type { RunConfig } from "../changes.ts";
import { expand } from "./expand.ts";
import { healthCheck, healthFlags } from "./health.ts";
import type { InstructionLine } from "./lines.ts";
import { exposedPorts } from "./ports.ts";
import { jsonWords, namesAndValues, plainWords } from "./words.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A configuration on its way. */
export interface Change {
  config: Writable<RunConfig>;
  readonly escape: string;
  /** Whether CMD was among the instructions: ENTRYPOINT takes away only what it found. */
  commandSet: boolean;
  /** How many characters arguments may yet become by variables. */
  room: number;
}

type Instruction = (change: Change, line: InstructionLine) => void;

/** By their names in capitals. */
export const instructions: ReadonlyMap<string, Instruction> = new Map(
  Object.entries({
    CMD: command,
    ENTRYPOINT: entrypoint,
    ENV: environment,
    EXPOSE: expose,
    HEALTHCHECK: healthcheck,
    LABEL: label,
    ONBUILD: onBuild,
    STOPSIGNAL: stopSignal,
    USER: user,
    VOLUME: volume,
    WORKDIR: workingDirectory,
  }),
);

function command(change: Change, line: InstructionLine): void {
  flagsOf(line);
  change.config.Cmd = inShell(change, line.rest);
  change.commandSet = true;
}

function entrypoint(change: Change, line: InstructionLine): void {
  flagsOf(line);
  change.config.Entrypoint = line.rest === "" ? null : inShell(change, line.rest);
  if (!change.commandSet) change.config.Cmd = null;
}

function environment(change: Change, line: InstructionLine): void {
  flagsOf(line);
  const values = variablesOf(change.config);
  const after = new Map((change.config.Env ?? []).map((entry) => [nameOf(entry), entry]));
  for (const pair of namesAndValues("ENV", line.rest, change.escape)) {
    const [name = "", value = ""] = pair.map((text) => expanded(change, text, values));
    after.set(name, `${name}=${value}`);
  }
  change.config.Env = [...after.values()];
}

function expose(change: Change, line: InstructionLine): void {
  flagsOf(line);
  if (line.rest === "") throw invalid("EXPOSE requires at least one argument");
  const values = variablesOf(change.config);
  const specs = plainWords(line.rest).flatMap((word) => plainWords(expanded(change, word, values)));
  const ports = specs.flatMap(exposedPorts);
  if (ports.length > 0) {
    change.config.ExposedPorts = { ...change.config.ExposedPorts, ...emptyObjects(ports) };
  }
}

function healthcheck(change: Change, line: InstructionLine): void {
  change.config.Healthcheck = healthCheck(line, flagsOf(line, healthFlags));
}

function label(change: Change, line: InstructionLine): void {
  flagsOf(line);
  const values = variablesOf(change.config);
  const pairs = namesAndValues("LABEL", line.rest, change.escape)
    .map((pair) => pair.map((text) => expanded(change, text, values)));
  change.config.Labels = { ...change.config.Labels, ...Object.fromEntries(pairs) };
}

function onBuild(change: Change, line: InstructionLine): void {
  flagsOf(line);
  if (line.rest === "") throw invalid("ONBUILD requires at least one argument");
  const trigger = line.rest.split(/\s/, 1)[0]?.toUpperCase() ?? "";
  if (trigger === "ONBUILD") throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (["FROM", "MAINTAINER"].includes(trigger)) {
    throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`);
  }
  const instruction = line.original.replace(/^\s*ONBUILD\s*/i, "");
  change.config.OnBuild = [...change.config.OnBuild ?? [], instruction];
}

function stopSignal(change: Change, line: InstructionLine): void {
  const signal = oneArgument(change, line);
  if (!isSignal(signal)) throw invalid(`invalid signal: ${signal.slice(0, 200)}`);
  change.config.StopSignal = signal;
}

function user(change: Change, line: InstructionLine): void {
  change.config.User = oneArgument(change, line);
}

function volume(change: Change, line: InstructionLine): void {
  flagsOf(line);
  const paths = jsonWords(line.rest) ?? plainWords(line.rest);
  if (paths.length === 0) throw invalid("VOLUME requires at least one argument");
  const values = variablesOf(change.config);
  const volumes = paths.map((path) => expanded(change, path, values));
  if (volumes.some((path) => path.trim() === "")) {
    throw invalid("VOLUME specified can not be an empty string");
  }
  change.config.Volumes = { ...change.config.Volumes, ...emptyObjects(volumes) };
}

function workingDirectory(change: Change, line: InstructionLine): void {
  change.config.WorkingDir = posix.resolve(
    posix.join("/", change.config.WorkingDir ?? ""),
    oneArgument(change, line),
  );
}

/** A JSON array as it is, and text as the shell's. */
function inShell({ config }: Change, text: string): string[] | null {
  const words = jsonWords(text);
  if (words) return words.length === 0 ? null : words;
  return [...config.Shell ?? ["/bin/sh", "-c"], ...(text === "" ? [] : [text])];
}

function oneArgument(change: Change, line: InstructionLine): string {
  flagsOf(line);
  if (line.rest === "") throw invalid(`${line.name.toUpperCase()} requires exactly one argument`);
  return expanded(change, line.rest);
}

function expanded(change: Change, word: string, values = variablesOf(change.config)): string {
  const text = expand(word, values, change.escape);
  change.room -= text.length;
  if (change.room < 0) throw invalid("changes become too long by the variables in them");
  return text;
}

const nameOf = (entry: string) => entry.includes("=") ? entry.slice(0, entry.indexOf("=")) : entry;

const variablesOf = ({ Env }: RunConfig): Map<string, string> =>
  new Map((Env ?? []).map((entry) => [nameOf(entry), entry.slice(nameOf(entry).length + 1)]));

const emptyObjects = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, {}]));

/** The flags of a line. Errors: `invalid` in Docker's words for one that is unknown, twice there or without a value. */
function flagsOf({ flags }: InstructionLine, known: readonly string[] = []): Map<string, string> {
  const found = new Map<string, string>();
  for (const flag of flags) {
    const [, name = "", value] = /^--([^=]*)(?:=([^]*))?$/.exec(flag) ?? [];
    if (!known.includes(name)) throw invalid(`unknown flag: --${name.slice(0, 200)}`);
    if (found.has(name)) throw invalid(`duplicate flag specified: --${name}`);
    if (value === undefined) throw invalid(`missing a value on flag: --${name}`);
    found.set(name, value);
  }
  return found;
}

/** Numbers but zero, and names with or without SIG. Source: moby `signal.ParseSignal`. */
function isSignal(text: string): boolean {
  if (/^[+-]?\d{1,9}$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, "");
  return Object.hasOwn(constants.signals, `SIG${name}`) || ["CLD"].includes(name) || isRealTime(name);
}

function isRealTime(name: string): boolean {
  const [, from, offset = "0"] = /^RT(MIN|MAX)(?:[+-](\d{1,2}))?$/.exec(name) ?? [];
  if (from === undefined || name.includes(from === "MIN" ? "-" : "+")) return false;
  return Number(offset) <= (from === "MIN" ? 15 : 14);
}
