/** Variables, quotes and escapes in a word of a Dockerfile. Source: BuildKit's `shell` package, asked through Docker. */
import { invalid } from "../../../core/support/errors.ts";

/** Nothing may grow beyond this by variables that hold variables, in characters. */
const longestWord = 64 * 1024;

/** A word with its variables replaced, its quotes and escapes gone. Errors: `invalid` in Docker's words. */
export function expand(word: string, environment: ReadonlyMap<string, string>, escape: string): string {
  try {
    return new Expansion(word, environment, escape).run();
  } catch (error) {
    if (!(error instanceof ExpansionError)) throw error;
    throw invalid(`failed to process ${JSON.stringify(shortened(word))}: ${error.message}`, error);
  }
}

const shortened = (word: string) => word.length > 200 ? `${word.slice(0, 200)}…` : word;

class ExpansionError extends Error {}

class Expansion {
  readonly #text: string;
  readonly #environment: ReadonlyMap<string, string>;
  readonly #escape: string;
  #at = 0;

  constructor(text: string, environment: ReadonlyMap<string, string>, escape: string) {
    this.#text = text;
    this.#environment = environment;
    this.#escape = escape;
  }

  run(): string {
    return this.#until("", 0);
  }

  /** Reads up to the stop character, or to the end when there is none. */
  #until(stop: string, depth: number): string {
    // Each level is a `${…}` within another: nobody means that many, and each costs stack.
    if (depth > 100) throw new ExpansionError("substitutions are nested too deep");
    const parts = new Parts();
    for (;;) {
      const character = this.#take();
      if (character === stop) return parts.text();
      if (character === "") throw new ExpansionError("syntax error: missing '}'");
      if (character === "'") parts.add(this.#singleQuoted());
      else if (character === '"') parts.add(this.#doubleQuoted(depth));
      else if (character === "$") parts.add(this.#variable(depth));
      else parts.add(character === this.#escape ? this.#take() : character);
    }
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) {
      throw new ExpansionError("unexpected end of statement while looking for matching single-quote");
    }
    const content = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return content;
  }

  #doubleQuoted(depth: number): string {
    const parts = new Parts();
    for (;;) {
      const character = this.#take();
      if (character === '"') return parts.text();
      if (character === "") {
        throw new ExpansionError("unexpected end of statement while looking for matching double-quote");
      }
      if (character === "$") parts.add(this.#variable(depth));
      else if (character !== this.#escape) parts.add(character);
      else parts.add(['"', "$", this.#escape].includes(this.#peek()) ? this.#take() : character);
    }
  }

  #variable(depth: number): string {
    if (this.#peek() === "{") {
      this.#take();
      return this.#braced(depth);
    }
    const name = this.#name();
    return name === "" ? "$" : this.#environment.get(name) ?? "";
  }

  #braced(depth: number): string {
    if (["{", "}", ":"].includes(this.#peek())) throw new ExpansionError("syntax error: bad substitution");
    const name = this.#name();
    const first = this.#take();
    const value = this.#environment.get(name);
    if (first === "}") return value ?? "";
    const modifier = first === ":" ? this.#take() : first;
    if (!["-", "+", "?"].includes(modifier) || modifier === "") {
      throw new ExpansionError(
        `unsupported modifier (${first === ":" ? first : ""}${modifier}) in substitution`,
      );
    }
    const word = this.#until("}", depth + 1);
    const isSet = value !== undefined && (first !== ":" || value !== "");
    if (modifier === "-") return isSet ? value : word;
    if (modifier === "+") return isSet ? word : "";
    if (isSet) return value;
    throw new ExpansionError(
      `${name}: ${word || `is not allowed to be ${value === "" ? "empty" : "unset"}`}`,
    );
  }

  /** A variable's name, a number, or one of the shell's special characters. */
  #name(): string {
    const pattern = /[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?\-$!]/y;
    pattern.lastIndex = this.#at;
    const name = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += name.length;
    return name;
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(): string {
    return this.#text[this.#at++] ?? "";
  }
}

class Parts {
  readonly #parts: string[] = [];
  #length = 0;

  add(part: string): void {
    this.#length += part.length;
    if (this.#length > longestWord) {
      throw new ExpansionError(`it becomes longer than ${longestWord} characters`);
    }
    this.#parts.push(part);
  }

  text(): string {
    return this.#parts.join("");
  }
}
