import { internal } from "../../core/support/errors.ts";

/** Longer patterns are refused, in characters. */
const longestPattern = 512;

/** One place of a pattern: any run of characters, or a test for one. */
type Part = "star" | ((letter: string) => boolean);

/**
 * A shell pattern in which `*` and `?` stop at slashes, as in Go's `path.Match`. Takes at most the product of both
 * lengths to match, whatever the pattern. Errors: `internal` in Docker's words for a malformed pattern.
 */
export class Glob {
  readonly #parts: readonly Part[];

  constructor(pattern: string) {
    if (pattern.length > longestPattern) throw syntaxError();
    this.#parts = parse([...pattern]);
  }

  /** Whether all of the text matches. */
  matches(text: string): boolean {
    const letters = [...text];
    let part = 0;
    // Where to go on when a later part does not fit: behind the last star, which then takes one letter more.
    let retry: { part: number; at: number } | undefined;
    for (let at = 0; at < letters.length || part < this.#parts.length;) {
      const next = this.#parts[part];
      if (next === "star") {
        retry = { part: ++part, at };
      } else if (next && at < letters.length && next(letters[at]!)) {
        part++;
        at++;
      } else {
        if (!retry || retry.at >= letters.length || letters[retry.at] === "/") return false;
        at = ++retry.at;
        part = retry.part;
      }
    }
    return true;
  }
}

function parse(letters: readonly string[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at];
    if (letter === "*") parts.push("star");
    else if (letter === "?") parts.push((each) => each !== "/");
    else if (letter === "[") {
      const end = letters.indexOf("]", at + 2);
      if (end < 0) throw syntaxError();
      parts.push(oneOf(letters.slice(at + 1, end).join("")));
      at = end;
    } else {
      const literal = letter === "\\" ? letters[++at] : letter;
      if (literal === undefined) throw syntaxError();
      parts.push((each) => each === literal);
    }
  }
  return parts;
}

/** The inside of `[a-z]` or `[^a-z]`. */
function oneOf(range: string): Part {
  try {
    const expression = new RegExp(`^[${range.replace(/[\\[\]]/g, "\\$&")}]$`, "u");
    return (letter) => expression.test(letter);
  } catch {
    throw syntaxError();
  }
}

const syntaxError = () => internal("syntax error in pattern");
