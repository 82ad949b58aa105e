/** The bar of a progress line as Docker writes it. Source: moby `pkg/jsonmessage`, and Docker Engine 28.5 asked. */

const width = 50;
const units = ["B", "kB", "MB", "GB", "TB", "PB"];

/** `[=====>     ]  3.678kB/200.3kB`; empty when nothing is known, in bytes. */
export function progressBar(current: number, total: number): string {
  if (total <= 0) return current > 0 ? humanSize(current).padStart(8) : "";
  const done = Math.min(width, Math.floor(Math.floor((current / total) * 100) / 2));
  const numbers = current > total
    ? humanSize(current).padStart(8)
    : `${humanSize(current).padStart(8)}/${humanSize(total)}`;
  return `[${"=".repeat(done)}>${" ".repeat(width - done)}] ${numbers}`;
}

/** Four digits at most, in powers of 1000. */
function humanSize(bytes: number): string {
  let [size, unit] = [bytes, 0];
  while (size >= 1000 && unit < units.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${Number(size.toPrecision(4))}${units[unit]}`;
}
