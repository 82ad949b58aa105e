/** Dockerfile text as instructions. Source: BuildKit's Dockerfile parser, by asking Docker Engine 28.5. */
import { invalid } from "../../../core/support/errors.ts";

/** One instruction, with nothing of its arguments understood. */
export interface InstructionLine {
  /** As written. */
  readonly name: string;
  /** Words that start with two dashes and stand first. */
  readonly flags: readonly string[];
  /** What follows, without white space around it. */
  readonly rest: string;
  /** The whole line, continuations joined. */
  readonly original: string;
}

/** The instructions of a text, and the character that it escapes with. */
export function readInstructions(text: string): { list: InstructionLine[]; escape: string } {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const escape = escapeOf(lines);
  const list: InstructionLine[] = [];
  let open = "";
  let isOpen = false;
  const finish = () => {
    if (open.trim() !== "") list.push(instructionOf(open));
    [open, isOpen] = ["", false];
  };
  for (const line of lines) {
    if (/^\s*#/.test(line) || isOpen && line.trim() === "") continue;
    const { content, continues } = withoutContinuation(line, escape);
    open += isOpen ? content : content.trimStart();
    isOpen = continues;
    if (!continues) finish();
  }
  finish();
  return { list, escape };
}

/** `# escape=` counts among the comments that a text starts with, as long as they are directives. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const directive = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S+?)\s*$/.exec(line);
    if (!directive) break;
    if (directive[1]?.toLowerCase() !== "escape") continue;
    const escape = directive[2] ?? "";
    if (escape !== "\\" && escape !== "`") {
      throw invalid(`invalid escape token '${escape.slice(0, 200)}' does not match \` or \\`);
    }
    return escape;
  }
  return "\\";
}

function withoutContinuation(line: string, escape: string): { content: string; continues: boolean } {
  const trimmed = line.replace(/[ \t]+$/, "");
  const continues = trimmed.endsWith(escape) && !trimmed.slice(0, -1).endsWith(escape);
  return { content: continues ? trimmed.slice(0, -1) : line, continues };
}

function instructionOf(original: string): InstructionLine {
  const line = original.trim();
  const name = /^[^\t\v\f\r ]+/.exec(line)?.[0] ?? "";
  const { flags, rest } = takeFlags(line.slice(name.length).trim());
  return { name, flags, rest: rest.trim(), original };
}

/** Takes words that start with two dashes from the start; quotes and backslashes keep spaces in a word. */
function takeFlags(text: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let rest = text;
  while (rest.startsWith("--")) {
    const { word, length } = flagAt(rest);
    rest = rest.slice(length).trimStart();
    if (word === "--") break;
    flags.push(word);
  }
  return { flags, rest };
}

function flagAt(text: string): { word: string; length: number } {
  let word = "";
  let quote = "";
  let at = 0;
  for (; at < text.length; at++) {
    const character = text[at] as string;
    if (character === quote) quote = "";
    else if (!quote && /\s/.test(character)) break;
    else if (!quote && (character === "'" || character === '"')) quote = character;
    else word += character === "\\" ? text[++at] ?? "" : character;
  }
  return { word, length: at };
}
