/** What a terminal shows in the end: the moves that the docker CLI makes to draw its bars. */

/** The lines of a terminal that got this output, without trailing space. */
export function screenOf(output: string): string[] {
  const lines: string[] = [];
  let [row, column] = [0, 0];
  // deno-lint-ignore no-control-regex -- terminals are moved by control characters
  for (const [part, count, move] of output.matchAll(/\x1b\[(\d*)([A-Za-z])|[^]/g)) {
    if (move === "A") row = Math.max(0, row - Number(count || 1));
    else if (move === "B") row += Number(count || 1);
    else if (move === "K") lines[row] = count === "2" ? "" : (lines[row] ?? "").slice(0, column);
    else if (move !== undefined) continue;
    else if (part === "\n") row++;
    else if (part === "\r") column = 0;
    else {
      lines[row] = (lines[row] ?? "").padEnd(column).slice(0, column) + part +
        (lines[row] ?? "").slice(column + 1);
      column++;
    }
  }
  return Array.from(lines, (line = "") => line.trimEnd());
}
