import type { SettingsSchema } from "./settings.ts";

const wrapAt = 100;

/**
 * A schema's defaults as a commented TOML table: what `berth config --default` prints. Keys without a default are
 * shown commented out.
 *
 * @param path the table's name, `plugins.cni`; empty for the top level
 */
export function settingsText(schema: SettingsSchema, path: string): string {
  const own: string[] = [];
  const tables: string[] = [];
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.properties) tables.push(settingsText(property, path ? `${path}.${key}` : key));
    else own.push(comment(property.description), assignment(key, property));
  }
  const head = [comment(schema.description), path && `[${path}]\n`];
  return [...head, ...own, ...tables.map((table) => `\n${table}`)].join("");
}

function assignment(key: string, property: SettingsSchema): string {
  return property.default === undefined ? `# ${key} =\n` : `${key} = ${tomlValue(property.default)}\n`;
}

function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)} = ${tomlValue(each)}`);
    return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
  }
  return JSON.stringify(value);
}

function comment(text: string | undefined): string {
  if (!text) return "";
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines[lines.length - 1]!;
    if (last.length + word.length + 1 > wrapAt) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines.map((line) => `# ${line}\n`).join("");
}
