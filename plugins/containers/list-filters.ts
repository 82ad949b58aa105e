import { ApiError, apiErrorOf, invalid } from "../../core/support/errors.ts";
import type { ImageLookup } from "./backend.ts";
import type { Container } from "./model/container.ts";
import type { Containers } from "./model/containers.ts";
import { NamePatterns } from "./name-patterns.ts";

/** Filters of `GET /containers/json` that are served. */
export const listFilters: readonly string[] = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];

const healths = ["none", "starting", "healthy", "unhealthy"];
const states = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

type Test = (container: Container) => boolean;

/** The filters of one request: values of a key are alternatives, keys (and labels) must all hold. */
export class ListFilters {
  /** Asking for a state or an exit code asks for containers that do not run, too. */
  readonly impliesAll: boolean;
  readonly #tests: Test[] = [];

  /** Errors: 400 for a bad value, 404 for an unknown container in `before` or `since`; in Docker's words. */
  constructor(filters: Map<string, string[]>, containers: Containers, images: ImageLookup) {
    this.impliesAll = ["status", "exited", "before", "since"].some((key) => filters.get(key)?.length);
    const tests: Record<string, (values: string[]) => Test> = {
      ancestor: (values) => ancestorTest(values, images),
      before: (values) => orderTest(values, containers, (age, reference) => age > reference),
      since: (values) => orderTest(values, containers, (age, reference) => age < reference),
      exited: exitedTest,
      expose: exposeTest,
      health: healthTest,
      "is-task": taskTest,
      // No container of this engine publishes a port or has a volume.
      publish: (values) => (values.forEach((value) => portsOf("publish", value)), () => false),
      volume: () => () => false,
      id: idTest,
      label: labelTest,
      name: nameTest,
      network: (values) => ({ facts }) => values.includes(facts.host.network),
      status: statusTest,
    };
    for (const [key, values] of filters) if (values.length > 0) this.#tests.push(tests[key]!(values));
  }

  match(container: Container): boolean {
    return this.#tests.every((test) => test(container));
  }
}

function idTest(values: string[]): Test {
  const patterns = new NamePatterns(values);
  return ({ id }) => values.some((value) => id.startsWith(value)) || patterns.match(id);
}

function nameTest(values: string[]): Test {
  const patterns = new NamePatterns(values);
  return ({ name }) => patterns.match(name) || patterns.match(`/${name}`);
}

function labelTest(values: string[]): Test {
  return ({ facts: { config: { Labels: labels } } }) =>
    values.every((wanted) => {
      const [name = "", ...rest] = wanted.split("=");
      if (!Object.hasOwn(labels, name)) return false;
      return rest.length === 0 || labels[name] === rest.join("=");
    });
}

function statusTest(values: string[]): Test {
  for (const value of values) {
    if (!states.includes(value)) {
      throw invalid(
        `invalid filter 'status=${value}': invalid value for state (${value}): ` +
          `must be one of ${states.join(", ")}`,
      );
    }
  }
  return ({ state }) => values.includes(state.status);
}

function exitedTest(values: string[]): Test {
  const codes = values.map((value) => {
    if (/^[+-]?\d+$/.test(value)) return Number(value);
    throw invalid(
      `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
    );
  });
  return ({ state }) => state.status === "exited" && codes.includes(state.exitCode);
}

/** Health checks are not run: every container has none. */
function healthTest(values: string[]): Test {
  for (const value of values) {
    if (!healths.includes(value)) {
      throw invalid(
        `invalid filter 'health=${value}': invalid value for health (${value}): ` +
          `must be one of ${healths.join(", ")}`,
      );
    }
  }
  return () => values.includes("none");
}

/** Tasks are swarm's: no container is one. */
function taskTest(values: string[]): Test {
  const known = values.every((value) => ["0", "1", "false", "true"].includes(value));
  if (!known) throw invalid(`invalid filter 'is-task=[${values.join(" ")}]'`);
  return () => values.some((value) => value === "0" || value === "false");
}

function exposeTest(values: string[]): Test {
  const wanted = values.flatMap((value) => portsOf("expose", value));
  return ({ facts: { config } }) =>
    wanted.some(({ from, to, protocol }) =>
      Object.keys(config.ExposedPorts ?? {}).some((port) => {
        const [number, type] = port.split("/");
        return type === protocol && Number(number) >= from && Number(number) <= to;
      })
    );
}

/** Reads `80`, `80/udp` or `80-90/tcp`. */
function portsOf(key: string, value: string): { from: number; to: number; protocol: string } {
  const [, from, to = from, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(value) ?? [];
  if (!from || Number(to) > 65_535 || Number(to) < Number(from)) {
    throw invalid(`error while looking up for ${key} ${value}: not a port or a range of ports`);
  }
  return { from: Number(from), to: Number(to), protocol };
}

function ancestorTest(values: string[], images: ImageLookup): Test {
  const ids = values.map((value) => {
    try {
      return images.find(value).id;
    } catch (error) {
      if (apiErrorOf(error) instanceof ApiError) return undefined;
      throw error;
    }
  });
  return ({ facts }) => ids.includes(facts.imageId);
}

/** Compares places in the list, newest first: times can be equal. */
function orderTest(
  values: string[],
  containers: Containers,
  holds: (age: number, reference: number) => boolean,
): Test {
  const ages = new Map(containers.list().map((container, age) => [container, age]));
  const references = values.map((value) => ages.get(containers.find(value)) ?? 0);
  return (container) => references.every((reference) => holds(ages.get(container) ?? 0, reference));
}
