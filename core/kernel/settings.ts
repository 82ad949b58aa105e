/**
 * Settings: TOML tables checked against JSON schemas. A schema is data, so that the check, the defaults that
 * `berth config --default` prints and the docs all come from one place.
 */
import { Ajv, type ErrorObject } from "ajv";

/** The part of JSON schema that settings use. */
export interface SettingsSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SettingsSchema>>;
  readonly items?: SettingsSchema;
  readonly additionalProperties?: unknown;
}

/** A key that is wrong: its path in the file, and what to do about it. */
export class SettingsError extends Error {
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = "SettingsError";
    this.path = path;
  }
}

const ajv = new Ajv({ allErrors: false, strict: false });

/**
 * Checks a table and fills in the defaults; the input stays as it was. Unknown keys are errors.
 *
 * @param path the table's path in the config file, for messages: `plugins.cni`
 */
export function checkSettings<T>(schema: SettingsSchema, raw: unknown, path: string): T {
  const settings = withDefaults(schema, raw);
  if (ajv.validate(schema, settings)) return settings as T;
  throw asSettingsError(ajv.errors?.[0], schema, path);
}

/** A copy with every missing key that has a default filled in, at any depth. */
function withDefaults(schema: SettingsSchema, raw: unknown): unknown {
  if (raw === undefined) raw = structuredClone(schema.default);
  if (!schema.properties) return raw;
  if (raw === undefined) raw = {};
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return raw;
  const filled: Record<string, unknown> = { ...raw };
  for (const [key, property] of Object.entries(schema.properties)) {
    const value = withDefaults(property, filled[key]);
    if (value !== undefined && !isUnasked(property, filled[key], value)) filled[key] = value;
  }
  return filled;
}

/** An absent table in which nothing has a default stays absent. */
function isUnasked(schema: SettingsSchema, before: unknown, after: unknown): boolean {
  return before === undefined && !!schema.properties && Object.keys(after as object).length === 0;
}

function asSettingsError(
  error: ErrorObject | undefined,
  schema: SettingsSchema,
  path: string,
): SettingsError {
  if (!error) return new SettingsError(path, "is not valid");
  const steps = error.instancePath.split("/").filter(Boolean);
  const at = [path, ...steps].filter(Boolean).join(".");
  if (error.keyword === "additionalProperties") {
    const unknown = String(error.params.additionalProperty);
    const known = Object.keys(schemaAt(schema, steps)?.properties ?? {});
    return new SettingsError(
      at ? `${at}.${unknown}` : unknown,
      `unknown key; known here: ${known.sort().join(", ")}`,
    );
  }
  if (error.keyword === "enum") {
    return new SettingsError(at, `must be one of ${(error.params.allowedValues as unknown[]).join(", ")}`);
  }
  return new SettingsError(at, error.message ?? "is not valid");
}

function schemaAt(schema: SettingsSchema, steps: readonly string[]): SettingsSchema | undefined {
  return steps.reduce<SettingsSchema | undefined>((at, step) => at?.properties?.[step] ?? at?.items, schema);
}
