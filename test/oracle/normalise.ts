/** Makes answers of two engines comparable: what must differ becomes a placeholder, everything else stays. */
import { hasProgress, progressShape } from "./progress-shape.ts";

/** One recorded answer: what a client sees of it. */
export interface RecordedAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: unknown;
}

const zeroTime = "0001-01-01T00:00:00Z";

/** Replacements inside strings, in this order. */
const patterns: readonly [RegExp, string][] = [
  [/\/[^\s:"]+\/overlay2\/[^\s:"]+/g, "<path>"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, "<time>"],
  [/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, "<mac>"],
  [/\b(10|172|192)(\.\d{1,3}){3}\b/g, "<ip>"],
  [/\b[0-9a-f]{64}\b/g, "<id>"],
  [/\b[0-9a-f]{12}\b/g, "<short id>"],
  [/\/\S*\/(containers)\/<id>\/\S*/g, "<path>"],
  [/127\.0\.0\.1:\d+/g, "<registry>"],
];

/** Keys whose numbers change from run to run, and what stands for them. */
const volatileNumbers = new Set([
  "Created",
  "Pid",
  "Size",
  "SizeRw",
  "SizeRootFs",
  "VirtualSize",
  "SharedSize",
  "SpaceReclaimed",
  "IPPrefixLen",
  "Containers",
]);

/** Strips an answer's body of what no two runs share. Keys are sorted, so that recordings diff well. */
export function normalise(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => normalise(each));
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([name, each]) => [normaliseText(name), normalise(each, name)]);
    return Object.fromEntries(entries.sort(([one], [other]) => (String(one) < String(other) ? -1 : 1)));
  }
  // Follows from the host's cgroup version: recorded on one, played on another.
  if (key === "CgroupnsMode" && value) return "<as the host has it>";
  if (typeof value === "string") return normaliseText(value);
  if (typeof value === "number" && value > 0 && volatileNumbers.has(key)) return "<number>";
  return value;
}

function normaliseText(text: string): string {
  if (text === zeroTime) return text;
  return patterns.reduce((so, [pattern, placeholder]) => so.replace(pattern, placeholder), text);
}

/** A body as its content type says: JSON, JSON lines, or text (stdcopy headers show as they are). */
export function readBody(contentType: string, text: string): unknown {
  if (text === "") return "";
  if (!contentType.startsWith("application/json")) return normaliseText(text);
  const rows = text.trim().split(/\r?\n/);
  const raw = rows.map((row) => {
    try {
      return JSON.parse(row) as unknown;
    } catch {
      return row;
    }
  });
  // Layers are told apart by what becomes a placeholder.
  if (hasProgress(raw)) return normalise(progressShape(raw));
  const parsed = raw.map((each) => normalise(each));
  return parsed.length === 1 ? parsed[0] : parsed;
}
