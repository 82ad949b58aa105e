/**
 * Progress streams of two engines have the same shape and never the same lines: layers overtake each other, and how
 * often bytes are told is chance.
 */

interface Row {
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: object;
  readonly progress?: string;
}

/** What Docker says of a small layer only now and then: when nothing follows at once, or it pulls something else too. */
const byChance = ["Downloading", "Verifying Checksum", "Waiting"];

/** What is said of no layer, in order, and of each layer, in order of their first lines, each status once. */
export function progressShape(rows: readonly object[]): object {
  const lines = rows.filter((row) => !isOfLayer(row));
  const layers = new Map<string, string[]>();
  for (const row of rows.filter(isOfLayer)) {
    const said = layers.get(row.id) ?? [];
    layers.set(row.id, said);
    const text = textOf(row);
    if (!byChance.includes(row.status ?? "") && said.at(-1) !== text) said.push(text);
  }
  return { lines, layers: [...layers.values()] };
}

export const hasProgress = (rows: readonly unknown[]): rows is object[] =>
  rows.some((row) => typeof row === "object" && row !== null && "progressDetail" in row);

const isOfLayer = (row: Row): row is Row & { readonly id: string } =>
  row.id !== undefined && row.progressDetail !== undefined;

const textOf = ({ status, progressDetail, progress }: Row): string =>
  [status, Object.keys(progressDetail ?? {}).sort().join("/"), progress === undefined ? "" : "bar"]
    .filter((part) => part).join(" ");
