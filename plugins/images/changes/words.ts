/** The ways in which Dockerfile instructions write their arguments. */
import { invalid } from "../../../core/support/errors.ts";

/** `NAME=value` pairs, or one name and the rest of the line. Errors: `invalid` in Docker's words. */
export function namesAndValues(instruction: string, rest: string, escape: string): [string, string][] {
  const words = quotedWords(rest, escape);
  const [first] = words;
  if (first === undefined) throw invalid(`${instruction} requires at least one argument`);
  const pairs = first.includes("=") ? words.map(pairOf) : [oldPair(instruction, rest)];
  if (pairs.some(([name]) => name === "")) throw invalid(`${instruction} names can not be blank`);
  return pairs;
}

function pairOf(word: string): [string, string] {
  const equals = word.indexOf("=");
  if (equals >= 0) return [word.slice(0, equals), word.slice(equals + 1)];
  throw invalid(
    `Syntax error - can't find = in ${JSON.stringify(word.slice(0, 200))}. Must be of the form: name=value`,
  );
}

function oldPair(instruction: string, rest: string): [string, string] {
  const space = /[\t\v\f\r ]+/.exec(rest);
  if (!space) throw invalid(`${instruction} must have two arguments`);
  return [rest.slice(0, space.index), rest.slice(space.index + space[0].length)];
}

/** Words apart from each other; quotes and escapes keep spaces in a word, and stay in it. */
function quotedWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (!quote && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= "";
    if (character === escape && quote !== "'") {
      // One at the end of the line escapes nothing and goes.
      if (at + 1 < text.length) word += character + text[++at];
      continue;
    }
    if (character === quote) quote = "";
    else if (!quote && (character === "'" || character === '"')) quote = character;
    word += character;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** A JSON array of strings; undefined for text that is no JSON array. Errors: `invalid` for an array of other things. */
export function jsonWords(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(raw)) return undefined;
  if (raw.every((each) => typeof each === "string")) return raw;
  throw invalid("when using JSON array syntax, arrays must be comprised of strings only");
}

/** Words between white space. */
export const plainWords = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
