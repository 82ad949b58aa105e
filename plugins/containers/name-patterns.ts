import { invalid } from "../../core/support/errors.ts";

/** Longer patterns, and what of a name is beyond this, are not matched, in characters. */
const longestMatched = 256;
/** Repetitions and groups together: each can multiply the ways to match, and a hundred of them never end. */
const mostChoices = 2;
/** How long one request may match names, in milliseconds: all jobs wait meanwhile. */
const budgetMs = 250;

/**
 * The values of a filter: regular expressions, found anywhere in a name, as with Docker. What is none, or could take
 * long to match, is looked for as it stands; names need little more than `^web_\d+$` or `^/(web|db)$`.
 */
export class NamePatterns {
  readonly #tests: ((text: string) => boolean)[];
  readonly #until = performance.now() + budgetMs;

  /** Made for one request, and used at once. */
  constructor(values: readonly string[]) {
    this.#tests = values.map((value) => {
      const expression = quickExpression(value);
      return expression ? (text) => expression.test(text) : (text) => text.includes(value);
    });
  }

  /** Whether one of the values matches. Errors: 400 when all the names together take too long. */
  match(name: string): boolean {
    const text = name.slice(0, longestMatched);
    return this.#tests.some((test) => {
      if (performance.now() > this.#until) throw invalid("invalid filters: they take too long to match");
      return test(text);
    });
  }
}

function quickExpression(pattern: string): RegExp | undefined {
  const choices = pattern.match(/[*+?{(]/g)?.length ?? 0;
  if (pattern.length > longestMatched || choices > mostChoices || /\)[*+?{]/.test(pattern)) return undefined;
  try {
    return new RegExp(pattern);
  } catch {
    return undefined;
  }
}
