/** Prints an object as the command's whole output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Prints one line. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tells the user something beside the output: never on standard output, which scripts read. */
export function printNote(line: string): void {
  process.stderr.write(`berth: ${line}\n`);
}

/** Prints rows under headings, as wide as their cells. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [headings, ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  for (const row of all) {
    printLine(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   ").trimEnd());
  }
}

/** Text from elsewhere, such as labels, for a terminal, which would obey control characters. */
export const printable = (text: string): string => text.replace(/\p{Cc}+/gu, " ");
